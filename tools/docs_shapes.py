"""Whether two outputs of a command that measures show the same table, whatever was measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HIDDEN = re.compile(r"Not shown in \d+ columns: (.*?)\.(?:\s|$)", re.DOTALL)
_GAP = re.compile(r"\s{2,}")


@dataclass(frozen=True, slots=True)
class _Shape:
    """A table's headings, those that did not fit, and how many rows it has."""

    headings: frozenset[str]
    hidden: frozenset[str]
    num_rows: int


def is_alike(shown: str, real: str) -> bool:
    """Say whether both show the same columns and as many rows.

    Which columns fit depends on how wide the numbers are, so that a heading of the one may be hidden in the other.
    Titles and what stands below a table are not compared: they name the machine, and what was doubtful.
    """
    ours, theirs = _shape(shown), _shape(real)
    return (
        ours.num_rows == theirs.num_rows
        and ours.headings <= theirs.headings | theirs.hidden
        and theirs.headings <= ours.headings | ours.hidden
    )


def _shape(text: str) -> _Shape:
    """Return the shape of the table in a text; lines with gaps of two spaces are its heading and rows."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if _GAP.search(line.strip())]
    if not starts:
        return _Shape(frozenset(), frozenset(), len(lines))
    first = starts[0]
    num_rows = 0
    while first + num_rows + 1 in starts:
        num_rows += 1
    hidden = _HIDDEN.search(text)
    names = re.split(r",\s+", " ".join(hidden[1].split())) if hidden else []
    return _Shape(frozenset(_GAP.split(lines[first].strip())), frozenset(names), num_rows)
