"""Products with sparse matrices, against arithmetic and against the product of the stored elements alone."""

from __future__ import annotations

import pytest
import torch

from archbench.trace.costs import find_rule
from tests.helpers.costs import cost, on_values

# 3 stored elements of 2 x 3.
MATRIX = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])


def with_coo(function):
    return on_values(lambda x: function(MATRIX.to_sparse_coo(), x))


DENSE = torch.rand(3, 4)
CASES = {
    # name: (function, inputs, MACs, FLOPs)
    "product": (with_coo(torch.sparse.mm), [DENSE], 12, 24),
    "product and addition": (
        with_coo(lambda a, x: torch.sparse.addmm(torch.ones(2, 4), a, x)), [DENSE], 12, 24 + 8,
    ),
    "operator of dense products": (with_coo(torch.mm), [DENSE], 12, 24),
    # Each of 3 stored elements meets 4 of a row on average.
    "two sparse matrices": (with_coo(lambda a, x: torch.sparse.mm(a, x.to_sparse()).to_dense()), [DENSE], 12, 24),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_its_arithmetic_says(name):
    function, inputs, macs, flops = CASES[name]
    assert cost(function, *inputs) == (macs, flops)


COMPRESSED = {
    # operator: (arguments, result, MACs, FLOPs); None stands for the matrix in compressed rows
    "mm": ((None, DENSE), torch.empty(2, 4), 12, 24),
    "mv": ((None, torch.rand(3)), torch.empty(2), 3, 6),
    "addmm": ((torch.ones(2, 4), None, DENSE), torch.empty(2, 4), 12, 24 + 8),
    # 3 stored results of 5 products each, added to those that are there.
    "sparse_sampled_addmm": ((None, torch.rand(2, 5), torch.rand(5, 3)), None, 15, 30 + 3),
    "_sparse_mm_reduce_impl": ((None, DENSE, "mean"), (torch.empty(2, 4), torch.empty(2, 4)), 12, 24),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("operator", COMPRESSED)
def test_a_product_with_compressed_rows_costs_what_they_store(operator):
    arguments, result, macs, flops = COMPRESSED[operator]
    rows = MATRIX.to_sparse_csr()
    arguments, result = [rows if a is None else a for a in arguments], rows if result is None else result
    cost = find_rule(f"aten.{operator}").formula(*arguments, out=result)
    assert (cost.macs, cost.flops, cost.read_bytes) == (macs, flops, None)
