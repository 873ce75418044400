"""Sorting, selecting, searching and counting values: comparisons against counts of algorithms, and moves."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from archbench.trace.costs.selection import sorting_comparisons, tournament_comparisons
from tests.helpers.costs import cost, on_values, operations

SIX = torch.arange(6.0)

CASES = {
    # name: (function, input shapes, MACs, FLOPs)
    # Merge sort of 5: 0 + 1 + 2 + 2 + 3 = 8 comparisons a row, 3 rows.
    "sort": (torch.sort, [(3, 5)], 0, 3 * 8),
    "sort along the first dimension": (lambda x: x.sort(0, descending=True), [(5, 3)], 0, 3 * 8),
    "stable sort": (lambda x: x.sort(dim=0, stable=True), [(5, 3)], 0, 3 * 8),
    "argsort": (lambda x: x.argsort(1), [(3, 5)], 0, 3 * 8),
    "mode": (torch.mode, [(3, 5)], 0, 3 * 8),
    # The largest of 8 takes 7, the second one of the 3 that lost to it, another 2.
    "top 1": (lambda x: x.topk(1), [(3, 8)], 0, 3 * 7),
    "top 2": (lambda x: x.topk(2), [(3, 8)], 0, 3 * (7 - 1 + 3)),
    "top k along the first dimension": (lambda x: x.topk(2, 0), [(8, 3)], 0, 3 * (7 - 1 + 3)),
    "median": (torch.median, [(3, 5)], 0, 45),
    "kth value": (lambda x: x.kthvalue(2, 1), [(3, 5)], 0, 45),
    # 4 values among 6 boundaries: 7 intervals take 3 comparisons.
    "search": (torch.searchsorted, [(6,), (4,)], 0, 12),
    "bucketize": (torch.bucketize, [(4,), (6,)], 0, 12),
    "membership": (torch.isin, [(4,), (6,)], 0, 24),
    "running maximum": (lambda x: x.cummax(1), [(3, 5)], 0, 15),
    "extremes": (torch.aminmax, [(3, 5)], 0, 28),
    "extremes of rows": (lambda x: torch.aminmax(x, dim=1), [(3, 5)], 0, 24),
    "histogram": (lambda x: torch.histc(x, 4, 0, 1), [(10,)], 0, 40),
    "sum of the diagonal": (torch.trace, [(3, 5)], 0, 2),
    # The sizes of these results depend on values. Sorting 6: 0 + 1 + 2 + 2 + 3 + 3 = 11, then 5 neighbours.
    "unique": (on_values(torch.unique), [SIX], 0, 11 + 5),
    "unique rows": (on_values(lambda x: x.view(3, 2).unique(dim=0)), [SIX], 0, 2 * (3 + 2)),
    "unique neighbours": (on_values(torch.unique_consecutive), [SIX], 0, 6),
    "equal": (on_values(lambda x: torch.equal(x, x.clone())), [SIX], 0, 6),
    "histogram with boundaries": (on_values(lambda x: torch.histogram(x, 4)[0]), [SIX], 0, 6 * 3),
    "nonzero": (on_values(torch.nonzero), [SIX], 0, 0),
    "masked select": (on_values(lambda x: x.masked_select(torch.ones(6, dtype=torch.bool))), [SIX], 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_its_arithmetic_says(name):
    function, shapes, macs, flops = CASES[name]
    assert cost(function, *shapes) == (macs, flops)


def merge_sort(values, less):
    if len(values) < 2:
        return values
    half = len(values) // 2
    left, right = merge_sort(values[:half], less), merge_sort(values[half:], less)
    merged = []
    while left and right:
        merged.append((right if less(right[0], left[0]) else left).pop(0))
    return merged + left + right


@pytest.mark.parametrize("n", range(1, 8))
def test_sorting_takes_as_many_comparisons_as_the_worst_merge_sort(n):
    most = 0
    for values in permutations(range(n)):
        calls = []
        assert merge_sort(list(values), lambda a, b, calls=calls: calls.append(1) or a < b) == list(range(n))
        most = max(most, len(calls))
    assert sorting_comparisons(n) == most


@pytest.mark.parametrize("n", [1, 2, 5, 8, 100])
def test_the_largest_takes_one_comparison_less_than_there_are_and_all_take_a_sort(n):
    assert tournament_comparisons(n, 1) == n - 1
    assert tournament_comparisons(n, n) == sorting_comparisons(n)
    assert tournament_comparisons(n, 0) == 0


def test_comparisons_of_integers_are_not_floating_point_operations():
    found = operations(lambda x: (x.long().sort(), x.long().topk(2), torch.aminmax(x.long())), (3, 5))
    assert all(operation.counted for operation in found)
    assert sum(operation.flops for operation in found) == 0


@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: x.index_copy(0, i, x),
        lambda x, i: x.index_fill_(0, i, 0.0),
        lambda x, i: x.masked_scatter(x > 0, x),
        lambda x, i: torch.randperm(4, device="meta"),
        lambda x, i: torch.ops.aten._is_all_true(x > 0),
        lambda x, i: torch.take(x, i),
        lambda x, i: torch.multinomial(x, 2),
        lambda x, i: torch.diag_embed(x),
        lambda x, i: torch.nn.functional.pad(x.view(1, 1, 4, 1, 1), (0, 0, 0, 0, 1, 1), mode="replicate"),
    ],
)
def test_moving_choosing_and_generating_values_is_free_of_flops(function):
    index = torch.zeros(4, dtype=torch.int64, device="meta")
    comparison = 4  # of `x > 0`, where it ran
    found = operations(lambda x: function(x, index), (4,))
    assert all(operation.counted for operation in found)
    assert sum(operation.flops for operation in found if operation.name != "aten.gt") == 0
    assert sum(operation.flops for operation in found) in (0, comparison)


def test_a_packed_sequence_is_moved():
    pack = torch.nn.utils.rnn.pack_padded_sequence
    found = operations(lambda x: pack(x, torch.tensor([3, 2]), batch_first=True).data, (2, 3, 4))
    assert "aten._pack_padded_sequence" in {operation.name for operation in found}
    assert all(operation.counted and operation.flops == 0 for operation in found)
