"""Helpers that several families of formulas share."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost
from archbench.trace.costs.symbolic import count


def is_floating(*values: Any) -> bool:
    """Return whether any of the values is a tensor of floating-point or complex numbers."""
    return any(
        isinstance(value, Tensor) and (value.dtype.is_floating_point or value.dtype.is_complex) for value in values
    )


def product(result: Tensor, macs: int, added: int = 0) -> Cost:
    """Return the cost of `macs` multiply-accumulates and `added` additions of the result's dtype."""
    if result.is_complex():
        macs, added = 4 * macs, 2 * added
    if added:
        return Cost(macs, count("2·{m} + {additions}", m=macs, additions=added))
    return Cost(macs, count("2·{m}", m=macs))


def first(out: Any) -> Tensor:
    """Return an operator's first result."""
    result = out if isinstance(out, Tensor) else out[0]
    assert isinstance(result, Tensor)
    return result
