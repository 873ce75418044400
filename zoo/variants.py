"""Switches: change one design choice of an architecture by rewriting the rows of its table."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

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
    follower,
)
from zoo.branches import Block, all_rows

NORMS = ("batch", "none", "response")
HEADS = ("paper", "small")
_SMALL_HEAD = 512


def require_boolean(name: str, value: object) -> None:
    """Raise ValueError unless `value` is True or False."""
    if value not in (True, False):
        raise ValueError(f"{name} must be True or False, not {value!r}")


def require_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise ValueError naming the choices and the nearest one unless `value` is among them."""
    known = sorted(choices)
    if value in known:
        return
    by_case = {choice.lower(): choice for choice in known}
    alike = difflib.get_close_matches(str(value).lower(), by_case, n=1)
    hint = f"; did you mean '{by_case[alike[0]]}'?" if alike else ""
    raise ValueError(f"{name}={value!r} is not one of {', '.join(known)}{hint}")


def with_norm(table: Table, norm: str, response_after: Collection[str] = ()) -> Table:
    """Return `table` with another normalisation: `batch` after each convolution, `response` or `none`.

    Normalisation stays where `table` has that kind; otherwise response normalisation follows the layers named by
    `response_after`. Convolutions whose batch normalisation is removed get a bias.
    Raises ValueError for another `norm`, and for `response` if there is no place for it.
    """
    require_choice("norm", norm, NORMS)
    own = {"batch": BatchNorm, "response": ResponseNorm}.get(norm)
    if own is not None and any(isinstance(row, own) for row in all_rows(table)):
        return table
    plain = _each(table, _without_norm)
    if norm == "none":
        return plain
    if norm == "batch":
        return _insert(plain, lambda row: BatchNorm(follower(row.name, "bn")) if isinstance(row, Conv) else None)
    if not response_after:
        raise ValueError("norm='response' has no place in this network; use 'batch' or 'none'")
    return _insert(
        plain,
        lambda row: ResponseNorm(re.sub("relu|pool", "norm", row.name)) if row.name in response_after else None,
    )


def _without_norm(row: Row) -> Table:
    if isinstance(row, (BatchNorm, ResponseNorm)):
        return ()
    return (replace(row, bias=True),) if isinstance(row, Conv) else (row,)


def with_small_head(table: Table) -> Table:
    """Return `table` with 512 features in each hidden linear layer. Raises ValueError if it has fewer, or no such."""
    hidden = [row for row in table if isinstance(row, Linear)][:-1]
    if not hidden:
        raise ValueError("head='small' has no place in this network, whose only linear layer is the last; use 'paper'")
    if any(row.features < _SMALL_HEAD for row in hidden):
        own = "–".join(str(row.features) for row in hidden)
        small = "–".join(str(_SMALL_HEAD) for _ in hidden)
        raise ValueError(f"head='small' ({small}) is larger than this network's own head ({own}); use 'paper'")
    return tuple(replace(row, features=_SMALL_HEAD) if row in hidden else row for row in table)


def with_dropout(table: Table, dropout: bool | float) -> Table:
    """Return `table` without dropout, with it, or with it at another probability.

    A table without dropout gets it after the activation of each hidden linear layer, as in AlexNet; without hidden
    linear layers, before the last, as in GoogLeNet.
    Raises ValueError unless `dropout` is a boolean or a probability.
    """
    is_probability = isinstance(dropout, (int, float)) and 0 <= dropout < 1
    if dropout is not True and not is_probability:
        raise ValueError(f"dropout must be True, False or a probability from 0 to below 1, not {dropout!r}")
    if not dropout:
        return _each(table, lambda row: () if isinstance(row, Dropout) else (row,))
    if not any(isinstance(row, Dropout) for row in all_rows(table)):
        dropouts: dict[Row, Row] = {
            activation: Dropout(linear.name.replace("fc", "drop"))
            for linear, activation in itertools.pairwise(table)
            if isinstance(linear, Linear) and isinstance(activation, Activation)
        }
        table = _insert(table, dropouts.get) if dropouts else (*table[:-1], Dropout("drop"), table[-1])
    if dropout is True:
        return table
    return _each(table, lambda row: (replace(row, probability=dropout) if isinstance(row, Dropout) else row,))


def with_overlap(table: Table, overlap: bool) -> Table:
    """Return `table` with pooling windows that overlap, or do not.

    True makes 2×2 windows 3×3 with a padding of 1, or over the border where pooling rounds up; False makes windows as
    wide as their stride, without padding. Sizes are halved as before: in the first case even ones, in the second odd
    ones. Pooling at stride 1 stays as it is.
    Raises ValueError unless `overlap` is a boolean.
    """
    require_boolean("overlap", overlap)

    def window(row: Row) -> Table:
        if not isinstance(row, Pool) or row.stride == 1 or overlap == (row.kernel > row.stride):
            return (row,)
        kernel, padding = (row.stride + 1, int(not row.ceil_mode)) if overlap else (row.stride, 0)
        return (replace(row, kernel=kernel, padding=padding),)

    return _each(table, window)


def with_pooling(table: Table, pooling: str) -> Table:
    """Return `table` with every pooling layer `average` or `max`. Raises ValueError for another name."""
    require_choice("pooling", pooling, POOLINGS)
    return _each(table, lambda row: (replace(row, kind=pooling) if isinstance(row, Pool) else row,))


def with_activation(table: Table, activation: str) -> Table:
    """Return `table` with every activation `relu`, `sigmoid` or `tanh`. Raises ValueError for another name."""
    require_choice("activation", activation, ACTIVATIONS)
    return _each(table, lambda row: (row.with_function(activation) if isinstance(row, Activation) else row,))


def _each(table: Table, change: Callable[[Row], Table]) -> Table:
    """Return `table` with each row replaced by `change(row)`, in blocks too."""

    def changed(row: Row) -> Table:
        if isinstance(row, Block):
            return (row.changed(lambda inner: _each(inner, change)),)
        return change(row)

    return tuple(new for row in table for new in changed(row))


def _insert(table: Table, following: Callable[[Row], Row | None]) -> Table:
    """Return `table` with `following(row)` inserted after each row for which it is not None, in blocks too."""

    def with_next(row: Row) -> Table:
        after = following(row)
        return (row,) if after is None else (row, after)

    return _each(table, with_next)
