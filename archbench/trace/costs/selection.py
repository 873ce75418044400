"""Sorting, selecting and searching: comparisons of floating-point numbers.

D. E. Knuth, The Art of Computer Programming, volume 3, second edition, has the counts. Those of integers are not FLOPs.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.common import is_floating
from archbench.trace.costs.normalisation import rows
from archbench.trace.costs.registry import Cost, cost


@cost("sort", "mode")
def _sort(x: Tensor, dim: int = -1, *_: Any, out: Any, **__: Any) -> Cost:
    """FLOPs: n⌈log2 n⌉ - 2^⌈log2 n⌉ + 1 comparisons per row of n, the most that merge sort makes (Knuth 5.2.4).

    So do insertions into a sorted list by binary search (5.3.1).
    """
    return _per_row(x, dim, sorting_comparisons(_length(x, dim)))


@cost("topk")
def _topk(x: Tensor, k: int, dim: int = -1, *_: Any, out: Any, **__: Any) -> Cost:
    """FLOPs: n - k + the sum of ⌈log2 j⌉ for j from n - k + 2 to n per row of n: a tournament (Knuth 5.3.3)."""
    return _per_row(x, dim, tournament_comparisons(_length(x, dim), k))


@cost("kthvalue", "median", "nanmedian")
def _selection(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 3 comparisons per element of the input, which find a median (Schönhage, Paterson, Pippenger 1976)."""
    return Cost(flops=3 * x.numel() if is_floating(x) else 0)


@cost("_unique", "_unique2")
def _unique(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: n⌈log2 n⌉ - 2^⌈log2 n⌉ + 1 comparisons for n elements, as sorting them, and n - 1 of neighbours."""
    n = x.numel()
    return Cost(flops=sorting_comparisons(n) + max(n - 1, 0) if is_floating(x) else 0)


@cost("unique_dim")
def _unique_slices(x: Tensor, dim: int, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: as sorting n slices and comparing neighbours, each comparison being of all elements of a slice."""
    n = x.shape[dim]
    comparisons = (sorting_comparisons(n) + max(n - 1, 0)) * (x.numel() // max(n, 1))
    return Cost(flops=comparisons if is_floating(x) else 0)


@cost("unique_consecutive", "unique_dim_consecutive", "equal")
def _comparison(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 1 comparison per element of the input."""
    return Cost(flops=x.numel() if is_floating(x) else 0)


@cost("searchsorted")
def _search(boundaries: Tensor, values: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: ⌈log2 (n + 1)⌉ comparisons per value, by binary search among n (Knuth 6.2.1)."""
    return _binary_search(out.numel(), boundaries)


@cost("bucketize")
def _bucketize(values: Any, boundaries: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: ⌈log2 (n + 1)⌉ comparisons per value, by binary search among n (Knuth 6.2.1)."""
    return _binary_search(out.numel(), boundaries)


@cost("isin")
def _is_in(values: Any, tested: Any, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """FLOPs: 1 comparison per value and tested element."""
    return Cost(flops=out.numel() * _numel(tested) if is_floating(values, tested) else 0)


def sorting_comparisons(n: int) -> int:
    """Return the sum of ⌈log2 j⌉ for j from 1 to n."""
    bits = (n - 1).bit_length()
    return n * bits - 2**bits + 1 if n else 0


def tournament_comparisons(n: int, k: int) -> int:
    """Return the comparisons that suffice to find the k largest of n in order; those of sorting if k is n."""
    return n - k + sorting_comparisons(n) - sorting_comparisons(n + 1 - k) if k else 0


def _per_row(x: Tensor, dim: int, comparisons: int) -> Cost:
    return Cost(flops=rows(x, dim) * comparisons if is_floating(x) else 0)


def _length(x: Tensor, dim: int) -> int:
    return x.shape[dim] if x.dim() else 1


def _binary_search(values: int, boundaries: Tensor) -> Cost:
    return Cost(flops=values * boundaries.shape[-1].bit_length() if is_floating(boundaries) else 0)


def _numel(value: Any) -> int:
    return value.numel() if isinstance(value, Tensor) else 1
