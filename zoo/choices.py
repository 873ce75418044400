"""Say of a value that is none of the choices which there are, and which it is most like."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def require_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise ValueError, in one line, unless `value` is one of `choices`."""
    known = sorted(choices)
    if value in known:
        return
    alike = difflib.get_close_matches(str(value), known, n=1)
    hint = f"; did you mean '{alike[0]}'?" if alike else ""
    raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}{hint}")


def require_count(name: str, value: object) -> None:
    """Raise ValueError, in one line, unless `value` is a whole number from 1 on."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is a whole number from 1 on, not {value!r}")
