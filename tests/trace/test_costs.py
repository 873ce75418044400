"""Each cost formula against arithmetic written out beside it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archbench.trace.costs import all_rules, find_rule
from archbench.trace.tracer import trace


class Call(nn.Module):
    """A module whose forward is one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def operations(function, *shapes):
    """Return what ran, views and allocations left out."""
    found = trace(Call(function), tuple(torch.empty(shape, device="meta") for shape in shapes)).operations
    return [operation for operation in found if not operation.is_free]


def cost(function, *shapes):
    found = operations(function, *shapes)
    assert all(operation.counted for operation in found)
    return sum(operation.macs for operation in found), sum(operation.flops for operation in found)


CASES = {
    # name: (function, input shapes, MACs, FLOPs)
    "conv2d": (
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), [(2, 4, 8, 8), (6, 4, 3, 3), (6,)],
        # 2*6*4*4 outputs, each 4*3*3 products; a bias add an output.
        192 * 36, 2 * 192 * 36 + 192,
    ),
    "conv1d grouped": (lambda x, w: F.conv1d(x, w, groups=2), [(1, 4, 10), (6, 2, 3)], 48 * 6, 2 * 48 * 6),
    "conv3d dilated": (
        # (7 - 2*(2-1) - 1) + 1 = 5 positions a dimension, 3 filters, 2 channels, 8 kernel elements.
        lambda x, w: F.conv3d(x, w, dilation=2), [(1, 2, 7, 7, 7), (3, 2, 2, 2, 2)],
        3 * 125 * 16, 2 * 3 * 125 * 16,
    ),
    "conv_transpose2d": (
        # Each of 2*5*5 input elements meets 3 output channels of 4*4.
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2), [(1, 2, 5, 5), (2, 3, 4, 4), (3,)],
        50 * 48, 2 * 50 * 48 + 3 * 12 * 12,
    ),
    "linear": (lambda x, w, b: F.linear(x, w, b), [(5, 3), (4, 3), (4,)], 5 * 4 * 3, 2 * 60 + 20),
    "mm": (torch.mm, [(2, 3), (3, 4)], 24, 48),
    "bmm": (torch.bmm, [(5, 2, 3), (5, 3, 4)], 120, 240),
    "mv": (torch.mv, [(2, 3), (3,)], 6, 12),
    "dot": (torch.dot, [(7,), (7,)], 7, 14),
    "addmv": (torch.addmv, [(2,), (2, 3), (3,)], 6, 14),
    "baddbmm": (torch.baddbmm, [(5, 2, 4), (5, 2, 3), (5, 3, 4)], 120, 240 + 40),
    "addbmm": (torch.addbmm, [(2, 4), (5, 2, 3), (5, 3, 4)], 120, 240 + 8),
    "addr": (torch.addr, [(2, 4), (2,), (4,)], 8, 16),
    "einsum": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), [(5, 2, 3), (5, 3, 4)], 120, 240),
    "relu": (F.relu, [(2, 5)], 0, 10),
    "relu in place": (F.relu_, [(2, 5)], 0, 10),
    "add": (lambda a, b: a + b, [(2, 5), (5,)], 0, 10),
    "add with alpha": (lambda a, b: torch.add(a, b, alpha=3), [(2, 5), (2, 5)], 0, 20),
    "addcmul": (lambda a, b, c: torch.addcmul(a, b, c, value=2), [(4,), (4,), (4,)], 0, 12),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2), [(1, 2, 7, 7)], 0, 8 * 18),  # 2*3*3 outputs
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), [(1, 2, 6, 6)], 0, 4 * 18),
    # 5 into 3: windows 0-2, 1-4, 3-5 of 2, 3 and 2 elements; (2+3+2)^2 a map.
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, 3), [(1, 2, 5, 5)], 0, 2 * 49),
    "mean": (lambda x: x.mean((2, 3)), [(1, 2, 5, 5)], 0, 50),
    "sum": (lambda x: x.sum(1), [(3, 5)], 0, 12),  # 4 additions a row
    "softmax": (lambda x: x.softmax(-1), [(3, 5)], 0, 3 * (4 + 5 + 5 + 4 + 5)),
    "log_softmax": (lambda x: x.log_softmax(-1), [(3, 5)], 0, 3 * (4 + 5 + 5 + 4 + 1 + 5)),
    # mean n, variance 3n, normalise 2n, weight n, bias n, eps and root 2; n = 5, 3 rows.
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (5,), w, b), [(3, 5), (5,), (5,)], 0, 3 * (8 * 5 + 2)),
    # A scale and a shift from five operations a channel, then one product and one sum an element.
    "batch_norm": (
        lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b), [(2, 3, 4, 4), (3,), (3,), (3,), (3,)], 0, 2 * 96 + 15,
    ),
    "bilinear upsampling": (
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), [(1, 1, 3, 3)], 0, 36 * 7,
    ),
    "moving data": (lambda x: torch.cat([x, x]).clone(), [(3,)], 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_its_arithmetic_says(name):
    function, shapes, macs, flops = CASES[name]
    assert cost(function, *shapes) == (macs, flops)


def test_integer_arithmetic_is_no_floating_point_operation():
    model = Call(lambda x: (x + 1) * 2 > 3)
    found = trace(model, torch.empty(4, dtype=torch.int64, device="meta")).operations
    assert sum(operation.flops for operation in found) == 0


def test_bytes_are_those_of_inputs_and_outputs():
    (operation,) = operations(lambda x, w: F.conv2d(x, w), (1, 3, 8, 8), (4, 3, 3, 3))
    assert operation.read_bytes == 4 * (3 * 64 + 4 * 27)
    assert operation.written_bytes == 4 * 4 * 36


def test_an_expanded_tensor_is_read_once():
    (operation,) = operations(lambda x, y: x.expand(100, 5) + y, (1, 5), (100, 5))
    assert operation.read_bytes == 4 * (5 + 500)


def test_a_lookup_reads_only_what_it_looks_up():
    model = Call(lambda i: F.embedding(i, torch.empty(1000, 8, device="meta")))
    found = trace(model, torch.empty(3, dtype=torch.int64, device="meta")).operations
    (operation,) = [op for op in found if op.name == "aten.embedding"]
    assert operation.read_bytes == 3 * 8 * 4 + 3 * 8
    assert operation.written_bytes == 3 * 8 * 4


def test_what_is_overwritten_is_not_read():
    (operation,) = operations(lambda x, y: x.copy_(y), (5,), (5,))
    assert (operation.read_bytes, operation.written_bytes) == (20, 20)


def test_max_pooling_writes_its_indices_too():
    (operation,) = operations(lambda x: F.max_pool2d(x, 2), (1, 1, 4, 4))
    assert operation.written_bytes == 4 * 4 + 4 * 8  # float32 values and int64 indices


def test_a_rule_covers_the_in_place_form():
    assert find_rule("aten.relu_") is find_rule("aten.relu")
    assert find_rule("aten.no_such_operator") is None


def test_every_rule_is_said_in_words_and_names_an_operator_that_exists():
    for rule in all_rules():
        assert rule.text.startswith(("MACs", "FLOPs"))
        assert hasattr(torch.ops.aten, rule.operator.removeprefix("aten.")), rule.operator
