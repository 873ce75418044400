"""Switches: one idea of an architecture exchanged for another, as a change to the rows of any table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from zoo.blocks import (
    ACTIVATIONS,
    POOLINGS,
    Activation,
    BatchNorm,
    Conv,
    Dropout,
    Linear,
    Pool,
    ResponseNorm,
    Row,
    Table,
)
from zoo.choices import require_choice

NORMS = ("batch", "none", "response")
HEADS = ("paper", "small")
_SMALL_HEAD = 512


@dataclass(frozen=True, slots=True)
class Switches:
    """What is exchanged in a table; None leaves what stands there.

    `norm` is `response`, the rows that the table has for it; `batch` instead, after every convolution; or `none`.
    `activation` is the function of every activation, `pooling` the kind of every pooling. `overlap` False makes
    windows as wide as their stride, without padding; True makes 2×2 windows 3×3 with a border of one: sizes halve
    as before where they are odd in the first case, even in the second. `dropout` is whether there is any, or its
    probability. `head` `small` has 512 features in every hidden linear layer.
    Raises ValueError for any other value.
    """

    norm: str
    activation: str | None = None
    pooling: str | None = None
    overlap: bool | None = None
    dropout: bool | float | None = None
    head: str = "paper"

    def __post_init__(self) -> None:
        if self.activation is not None:
            require_choice("activation", self.activation, ACTIVATIONS)
        if self.pooling is not None:
            require_choice("pooling", self.pooling, POOLINGS)
        if self.overlap not in (None, True, False):
            raise ValueError(f"overlap is True or False, not {self.overlap!r}")
        is_probability = isinstance(self.dropout, (int, float)) and 0 <= self.dropout < 1
        if not (self.dropout is None or self.dropout is True or is_probability):
            raise ValueError(f"dropout is True, False or a probability from 0 to below 1, not {self.dropout!r}")
        require_choice("norm", self.norm, NORMS)
        require_choice("head", self.head, HEADS)


def switched(table: Table, switches: Switches) -> Table:
    """Return `table` with its ideas exchanged. Raises ValueError where the table has no place for one."""
    table = _with_norm(table, switches.norm)
    if switches.head == "small":
        table = _with_small_head(table)
    if switches.dropout is not None:
        table = _with_dropout(table, switches.dropout)
    if switches.overlap is not None:
        window = _overlapping if switches.overlap else _side_by_side
        table = tuple(window(row) if isinstance(row, Pool) else row for row in table)
    if switches.pooling is not None:
        table = tuple(replace(row, kind=switches.pooling) if isinstance(row, Pool) else row for row in table)
    if switches.activation is not None:
        table = tuple(row.of(switches.activation) if isinstance(row, Activation) else row for row in table)
    return table


def _with_norm(table: Table, norm: str) -> Table:
    if norm == "response":
        if not any(isinstance(row, ResponseNorm) for row in table):
            raise ValueError("norm is batch or none here, not 'response': this table has no place for it")
        return table
    table = tuple(row for row in table if not isinstance(row, ResponseNorm))
    return table if norm == "none" else tuple(_with_batch_norm(table))


def _with_batch_norm(table: Table) -> Iterator[Row]:
    for row in table:
        yield row
        if isinstance(row, Conv):
            yield BatchNorm(row.name.replace("conv", "bn"))


def _hidden(table: Table) -> list[Linear]:
    return [row for row in table if isinstance(row, Linear)][:-1]


def _with_small_head(table: Table) -> Table:
    hidden = _hidden(table)
    if any(row.features < _SMALL_HEAD for row in hidden):
        own = "–".join(str(row.features) for row in hidden)
        raise ValueError(f"head is paper here, not 'small': {own} is smaller than {_SMALL_HEAD}–{_SMALL_HEAD}")
    return tuple(replace(row, features=_SMALL_HEAD) if row in hidden else row for row in table)


def _with_dropout(table: Table, dropout: bool | float) -> Table:
    if not dropout:
        return tuple(row for row in table if not isinstance(row, Dropout))
    if not any(isinstance(row, Dropout) for row in table):
        table = tuple(_with_dropout_rows(table))
    if dropout is True:
        return table
    return tuple(replace(row, probability=dropout) if isinstance(row, Dropout) else row for row in table)


def _with_dropout_rows(table: Table) -> Iterator[Row]:
    """Yield the rows with a dropout after the activation of each hidden linear layer, as in AlexNet."""
    hidden: Linear | None = None
    for row in table:
        yield row
        if isinstance(row, Linear):
            hidden = row
        elif isinstance(row, Activation) and hidden is not None:
            yield Dropout(hidden.name.replace("fc", "drop"))


def _overlapping(row: Pool) -> Pool:
    return row if row.kernel > row.stride else replace(row, kernel=row.stride + 1, padding=1)


def _side_by_side(row: Pool) -> Pool:
    return replace(row, kernel=row.stride, padding=0) if row.kernel > row.stride else row
