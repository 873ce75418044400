"""The formats that tables are written in, and the file endings that name them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from archbench.errors import UsageError, nearest

Format = Literal["table", "csv", "json", "markdown", "latex"]
FORMATS: tuple[Format, ...] = get_args(Format)

ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".json": "json",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "table",
    ".tex": "latex",
}


def format_of(path: Path, allowed: tuple[Format, ...] = FORMATS) -> Format:
    """Return the format that a path's ending names. Raises UsageError, naming the nearest ending, for any other."""
    ending = path.suffix.lower()
    endings = [known for known, named in ENDINGS.items() if named in allowed]
    if ending not in endings:
        hint = (nearest(ending, endings) if ending else "") or "; name a {format}"
        raise UsageError(f"{{output}} has none of the endings {', '.join(endings)}{hint}", output=path, format=...)
    return ENDINGS[ending]
