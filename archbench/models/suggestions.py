"""What an address that names no model may have meant: a message with the right form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from archbench.errors import nearest, nearest_choice
from archbench.models.file_names import builders_in, is_file
from archbench.models.library_names import LIBRARIES, library_names

# Among the thousand names of libraries something always resembles a word; among the zoo's few it means something.
_LIKENESS_TO_LIBRARY = 0.75
_MOST_NAMES = 6


def without_place(target: str, suffix: str, installed: Sequence[str]) -> str:
    """Return the message for a target without a colon that is not among the `installed` names.

    `suffix` is what follows the target in the address: `@10` or `?width=64`.
    """
    return _as_file(target) or _as_dotted(target) or _as_name(target, suffix, installed)


def file_without_name(path: str) -> str:
    """Return the message for a file in place of a class in it; the file is read, not run."""
    names = builders_in(Path(path))
    if not names:
        return f"'{path}' defines no class or function that could build a model"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    addresses = [f"{path}:{name}" for name in names[:_MOST_NAMES]]
    last = more or (f" or {addresses.pop()}" if len(addresses) > 1 else "")
    return f"'{path}' is a file; name the class or function in it: {', '.join(addresses)}{last}"


def _as_file(target: str) -> str:
    """Return the message for the path of a file, with or without its ending; `""` if it is not one."""
    path = Path(target)
    if target.endswith(".py"):
        if is_file(path):
            return file_without_name(target)
        return f"there is no file '{target}'{_nearest_file(path)}"
    if target and is_file(Path(f"{target}.py")):
        return file_without_name(f"{target}.py")
    if is_file(path):
        return f"'{target}' is not a Python file; write path/to/file.py:Name"
    return ""


def _nearest_file(path: Path) -> str:
    files = [str(each) for each in path.parent.glob("*.py") if each.is_file()]
    return nearest(str(path), files, cutoff=0.7)


def _as_dotted(target: str) -> str:
    """Return the message for `net.Net`, `torchvision` or `torchvision.models.resnet50`; `""` for anything else."""
    place, dot, name = target.rpartition(".")
    file = f"{place.replace('.', '/')}.py"
    if dot and is_file(Path(file)):
        names = builders_in(Path(file))
        if name in names:
            return f"there is no model '{target}'; did you mean '{file}:{name}'?"
        return file_without_name(file)
    if target in LIBRARIES:
        return f"'{target}' is a library; 'archbench list --from {target}' lists its models"
    parts = re.split(r"[./]", target)
    first, last = parts[0], parts[-1]
    near = nearest_choice(last, library_names(first)) if first in LIBRARIES and len(parts) > 1 else None
    return f"there is no model '{target}'; did you mean '{first}:{near}'?" if near else ""


def _as_name(target: str, suffix: str, installed: Sequence[str]) -> str:
    """Return the message for a bare name: the libraries that have it, or what resembles it."""
    exact = [f"'{library}:{target}{suffix}'" for library in LIBRARIES if target in library_names(library)]
    if exact:
        return f"there is no model '{target}' in the zoo; did you mean {' or '.join(exact)}?"
    places = {name: name for name in installed}
    for library in LIBRARIES:
        for name in library_names(library):
            places.setdefault(name, f"{library}:{name}")
    near = nearest_choice(target, places, _LIKENESS_TO_LIBRARY) or nearest_choice(target, installed)
    hint = f"; did you mean '{places[near]}'?" if near else "; 'archbench list' lists the models"
    return f"there is no model '{target}'{hint}"
