"""Quantised operators, against arithmetic and against the floating-point operators that they replace."""

from __future__ import annotations

import pytest
import torch
import torch.ao.nn.quantized as nnq
from torch import nn
from torch.ao.nn.quantized import dynamic as nnqd
from torch.ao.quantization import FusedMovingAvgObsFakeQuantize, quantize_dynamic
from torch.ao.quantization.fx import _decomposed  # noqa: F401  # registers its operators

import archbench
from tests.helpers.costs import cost, on_values, operations

pytestmark = pytest.mark.filterwarnings("ignore")


quantized = torch.ops.quantized


def on_quantised(function):
    """Return a function of real values that runs on them quantised; quantising them is 2 FLOPs an element."""
    return on_values(lambda *inputs: function(*(torch.quantize_per_tensor(x, 0.1, 0, torch.quint8) for x in inputs)))


ROWS, IMAGE, CUBE = torch.rand(5, 3), torch.rand(1, 4, 6, 6), torch.rand(1, 2, 4, 4, 4)
CASES = {
    # name: (function, inputs, MACs, FLOPs)
    "linear": (on_quantised(nnq.Linear(3, 4)), [ROWS], 60, 30 + 2 * 60 + 20),
    "dynamic linear": (on_values(nnqd.Linear(3, 4)), [ROWS], 60, 2 * 60 + 20),
    # 8x4x4 outputs, each of 2x3x3 products in its group, and a bias.
    "convolution": (on_quantised(nnq.Conv2d(4, 8, 3, groups=2)), [IMAGE], 128 * 18, 288 + 2 * 128 * 18 + 128),
    "convolution without bias": (
        on_quantised(nnq.Conv2d(4, 8, 3, bias=False)), [IMAGE], 128 * 36, 288 + 2 * 128 * 36,
    ),
    # 3x3x3x3 outputs of 2x2x2x2 products.
    "3-D convolution": (on_quantised(nnq.Conv3d(2, 3, 2)), [CUBE], 81 * 16, 256 + 2 * 81 * 16 + 81),
    # Each of 4x6x6 inputs meets 6 channels of 3x3; 6x8x8 outputs have a bias.
    "transposed convolution": (
        on_quantised(nnq.ConvTranspose2d(4, 6, 3)), [IMAGE], 144 * 54, 288 + 2 * 144 * 54 + 384,
    ),
    "product": (
        on_quantised(lambda a, b: quantized.matmul(a, b, 0.1, 0)), [torch.rand(2, 3), torch.rand(3, 4)],
        24, 2 * (6 + 12) + 2 * 24,
    ),
    "sum": (on_quantised(lambda a: quantized.add_relu(a, a, 0.1, 0)), [ROWS], 0, 30 + 15),
    "batch norm": (
        on_quantised(lambda x: quantized.batch_norm2d(x, C, C, C, C, 1e-5, 0.1, 0)), [IMAGE], 0, 288 + 2 * 144,
    ),
    "layer norm": (on_quantised(lambda x: quantized.layer_norm(x, [3], N, N, 1e-5, 0.1, 0)), [ROWS], 0, 30 + 8 * 15),
    # 5 rows of 3: 5 * 3 - 2.
    "softmax": (on_quantised(lambda x: quantized.softmax(x, 1, 0.1, 0)), [ROWS], 0, 30 + 5 * 13),
    "max pooling": (on_quantised(lambda x: quantized.max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], False)), [IMAGE],
                    0, 288 + 3 * 36),
    "concatenation": (on_quantised(lambda x: quantized.cat([x, x], 1, 0.1, 0)), [ROWS], 0, 30),
    "dequantising": (on_quantised(torch.dequantize), [ROWS], 0, 60),
    "fake quantising": (lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, 0, 255), [(5, 3)], 0, 90),
    "decomposed quantising": (
        on_values(lambda x: torch.ops.quantized_decomposed.quantize_per_tensor(x, 0.1, 0, 0, 255, torch.uint8)),
        [ROWS], 0, 30,
    ),
    # Minimum and maximum are 2, quantising and back 6.
    "quantisation-aware training": (on_values(lambda x: OBSERVED(x)), [ROWS], 0, 8 * 15),
    "embedding": (on_values(lambda i: EMBEDDING(i)), [torch.tensor([1, 2])], 0, 2 * 8),
    "embedding bag": (
        on_values(lambda i: EMBEDDING_BAG(i, torch.zeros(1, dtype=torch.int64))), [torch.tensor([1, 2])], 0, 3 * 8,
    ),
    # A scale and a zero point for each of 32 x 64 weights.
    "4-bit weight": (
        lambda x: torch.ops.aten._weight_int4pack_mm_for_cpu(x, INT4, 32, torch.empty(2, 32, 2, device="meta")),
        [(5, 64)], 5 * 64 * 32, 2 * 5 * 64 * 32 + 2 * 64 * 32,
    ),
    # Quantised rows are 2 an element, scaled results 1.
    "4-bit weight, rows quantised": (
        lambda x: torch.ops.aten._dyn_quant_matmul_4bit(x, INT4, 32, 64, 32), [(5, 64)],
        5 * 64 * 32, 2 * 5 * 64 * 32 + 2 * 5 * 64 + 5 * 32,
    ),
    "8-bit weight": (
        lambda x: torch.ops.aten._weight_int8pack_mm(x, INT8, torch.empty(32, device="meta")),
        [(5, 64)], 5 * 64 * 32, 2 * 5 * 64 * 32 + 5 * 32,
    ),
}  # fmt: skip
OBSERVED = FusedMovingAvgObsFakeQuantize()
EMBEDDING, EMBEDDING_BAG = nnq.Embedding(10, 4), nnq.EmbeddingBag(10, 4)
C, N = torch.ones(4), torch.ones(3)
INT4 = torch.empty(32, 32, dtype=torch.uint8, device="meta")
INT8 = torch.empty(32, 64, dtype=torch.int8, device="meta")


def dynamic(layer):
    """Return a layer whose weights are quantised."""
    return on_values(quantize_dynamic(nn.Sequential(layer).eval(), {type(layer)}))


SEQUENCE, SAMPLES = torch.rand(4, 5, 16), torch.rand(4, 16)
CASES |= {
    # Two directions of 4 gates of 8 units at 20 steps: 16 inputs and 8 units, then 16 and 8.
    "LSTM": (
        dynamic(nn.LSTM(16, 8, 2, bidirectional=True, batch_first=True)), [SEQUENCE],
        20 * 2 * 32 * 48, 2 * 20 * 2 * 32 * 48 + 20 * 20 * 2 * 2 * 8,
    ),
    "GRU": (dynamic(nn.GRU(16, 8)), [SEQUENCE], 20 * 24 * 24, 2 * 20 * 24 * 24 + 16 * 20 * 8),
    "LSTM cell": (dynamic(nn.LSTMCell(16, 8)), [SAMPLES], 4 * 32 * 24, 2 * 4 * 32 * 24 + 20 * 4 * 8),
    "GRU cell": (dynamic(nn.GRUCell(16, 8)), [SAMPLES], 4 * 24 * 24, 2 * 4 * 24 * 24 + 16 * 4 * 8),
    "RNN cell": (dynamic(nn.RNNCell(16, 8)), [SAMPLES], 4 * 8 * 24, 2 * 4 * 8 * 24 + 4 * 4 * 8),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_its_arithmetic_says(name):
    function, inputs, macs, flops = CASES[name]
    assert cost(function, *inputs) == (macs, flops)


def test_a_packed_weight_is_read():
    (operation,) = operations(nnqd.Linear(16, 32), torch.rand(2, 16))
    # Input and bias of float32, the weight of int8.
    assert operation.read_bytes == 4 * (2 * 16 + 32) + 16 * 32


@pytest.mark.parametrize("layer", [nn.LSTM(16, 8, 2, bidirectional=True), nn.GRU(16, 8), nn.LSTM(16, 8)])
def test_a_quantised_recurrent_layer_has_the_macs_of_its_original(layer):
    quantised = quantize_dynamic(nn.Sequential(layer).eval(), {type(layer)})
    totals = [archbench.summarize(model.eval(), SEQUENCE).totals.macs for model in (nn.Sequential(layer), quantised)]
    assert totals[0] == totals[1] > 0


def test_a_quantised_model_has_the_macs_of_its_original():
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)).eval()
    x = torch.rand(2, 16)
    summary = archbench.summarize(quantize_dynamic(model, {nn.Linear}), x)
    assert summary.uncounted == {}
    assert summary.totals.macs == archbench.summarize(model, x).totals.macs == 2 * (16 * 32 + 32 * 4)
    assert summary.totals.flops == archbench.summarize(model, x).totals.flops
