"""Grouped, scaled and integer products, against arithmetic and against the products that they replace."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import archbench
from tests.helpers.costs import cost


def meta(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


def offsets(groups):
    return meta(groups, dtype=torch.int32)


def fp8(x):
    return x.to(torch.float8_e4m3fn)


CASES = {
    # name: (function, input shapes, MACs, FLOPs)
    # Each of 12 rows meets one of 3 matrices of 8 x 16.
    "rows in groups": (
        lambda a, b: F.grouped_mm(a, b, offs=offsets(3)), [(12, 8), (3, 8, 16)], 12 * 8 * 16, 2 * 12 * 8 * 16,
    ),
    # Each of 12 columns meets one of 3 matrices of 16 x 8.
    "columns in groups": (
        lambda a, b: F.grouped_mm(a, b, offs=offsets(3)), [(3, 16, 8), (8, 12)], 16 * 8 * 12, 2 * 16 * 8 * 12,
    ),
    # The inner 12 are cut into 3 parts: together they are one product of 8 x 12 x 16.
    "inner size in groups": (
        lambda a, b: F.grouped_mm(a, b, offs=offsets(3)), [(8, 12), (12, 16)], 8 * 12 * 16, 2 * 8 * 12 * 16,
    ),
    "batch of products": (F.grouped_mm, [(3, 4, 8), (3, 8, 16)], 3 * 4 * 8 * 16, 2 * 3 * 4 * 8 * 16),
    "grouped and scaled": (
        lambda a, b, s, t: torch.ops.aten._scaled_grouped_mm(fp8(a), fp8(b).mT, s, t, offsets(3), None, None,
                                                             torch.bfloat16),
        [(12, 16), (3, 32, 16), (12,), (3, 32)], 12 * 16 * 32, 2 * 12 * 16 * 32 + 12 * 32,
    ),
    "scaled": (
        lambda a, b, s, t: torch.ops.aten._scaled_mm(fp8(a), fp8(b).mT, s, t, None, None, torch.bfloat16),
        [(16, 32), (48, 32), (), ()], 16 * 32 * 48, 2 * 16 * 32 * 48 + 16 * 48,
    ),
    "integers": (lambda a, b: torch._int_mm(a.to(torch.int8), b.to(torch.int8)), [(32, 16), (16, 8)], 4096, 8192),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_its_arithmetic_says(name):
    function, shapes, macs, flops = CASES[name]
    assert cost(function, *shapes) == (macs, flops)


def test_the_backward_pass_of_a_grouped_product_costs_twice_its_forward_pass():
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(3, 8, 16, device="meta"))

        def forward(self, x):
            return F.grouped_mm(x, self.weight, offs=offsets(3)).relu()

    totals = archbench.summarize(Experts(), meta(12, 8).requires_grad_(), mode="train").totals
    assert (totals.macs, totals.training_macs) == (12 * 8 * 16, 3 * 12 * 8 * 16)


def test_grouped_products_cost_what_a_product_for_each_group_costs():
    bounds = [2, 7, 12]

    def one_by_one(a, b):
        rows = zip([0, *bounds], bounds, strict=False)
        return torch.cat([a[start:end] @ b[i] for i, (start, end) in enumerate(rows)])

    shapes = [(12, 8), (3, 8, 16)]
    assert cost(lambda a, b: F.grouped_mm(a, b, offs=offsets(3)), *shapes) == cost(one_by_one, *shapes)


def test_a_number_of_four_bits_counts_although_two_share_a_byte():
    rule = archbench.trace.costs.find_rule("aten._scaled_mm").formula
    packed = meta(16, 16, dtype=torch.float4_e2m1fn_x2)
    assert rule(packed, packed.T, out=meta(16, 16)).macs == 16 * 32 * 16


@pytest.mark.parametrize("implementation", ["grouped_mm", "batched_mm", "eager"])
def test_the_experts_of_mixtral_count_whatever_multiplies_them(implementation):
    transformers = pytest.importorskip("transformers")
    config = transformers.MixtralConfig(
        num_hidden_layers=2, num_local_experts=4, vocab_size=1000, hidden_size=512, intermediate_size=1024,
        num_attention_heads=8, num_key_value_heads=2,
    )  # fmt: skip
    with torch.device("meta"):
        model = transformers.MixtralForCausalLM._from_config(config, experts_implementation=implementation)
    summary = archbench.summarize(model.eval(), {"input_ids": torch.zeros(1, 32, dtype=torch.long)})
    # 2 layers x 32 tokens x 2 experts each x 3 products of 512 x 1024 are 201,326,592.
    assert summary.totals.macs == 261_881_856
    assert summary.uncounted == {}
