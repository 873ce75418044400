"""Whether two outputs of a command that measures show the same table, whatever was measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HIDDEN = re.compile(r"\+(\d+)\s+columns?\s+in\s+CSV")
_GAP = re.compile(r"\s{2,}")


@dataclass(frozen=True, slots=True)
class _Shape:
    """A table's headings, the number of those that did not fit, and how many rows it has."""

    headings: frozenset[str]
    num_hidden: int
    num_rows: int


def is_alike(shown: str, real: str) -> bool:
    """Say whether both show the same columns and as many rows.

    Which columns fit depends on how wide the numbers are, so that the last headings of the one may be hidden in the
    other, which then counts as many more.
    Titles and what stands below a table are not compared: they name the machine, and what was doubtful.
    """
    ours, theirs = _shape(shown), _shape(real)
    if ours.num_rows != theirs.num_rows or ours.headings == theirs.headings:
        return ours.num_rows == theirs.num_rows
    is_nested = ours.headings < theirs.headings or theirs.headings < ours.headings
    return is_nested and len(ours.headings) + ours.num_hidden == len(theirs.headings) + theirs.num_hidden


def _shape(text: str) -> _Shape:
    """Return the shape of the table in a text; lines with gaps of two spaces are its heading and rows."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if _GAP.search(line.strip())]
    if not starts:
        return _Shape(frozenset(), 0, len(lines))
    first = starts[0]
    num_rows = 0
    while first + num_rows + 1 in starts:
        num_rows += 1
    hidden = _HIDDEN.search(text)
    headings = frozenset(_GAP.split(lines[first].strip()))
    return _Shape(headings, int(hidden[1]) if hidden else 0, num_rows)
