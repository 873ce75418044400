"""Each cost formula against arithmetic written out beside it."""

from __future__ import annotations

import sys
from itertools import product
from math import prod

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention

import archbench
from archbench.trace.costs import all_rules, find_rule, registry
from archbench.trace.optimizer_step import FORMS, STATES, Optimizer
from archbench.trace.tracer import trace
from tests.helpers.costs import backward_flops, cost, operations, operations_in_training
from tests.helpers.models import Call
from tests.trace import (
    test_costs_of_bitsandbytes,
    test_costs_of_detection,
    test_costs_of_grouped_products,
    test_costs_of_linear_algebra,
    test_costs_of_quantisation,
    test_costs_of_resampling,
    test_costs_of_selection,
    test_costs_of_sparse_products,
)

FAMILIES = (
    test_costs_of_bitsandbytes,
    test_costs_of_detection,
    test_costs_of_grouped_products,
    test_costs_of_linear_algebra,
    test_costs_of_quantisation,
    test_costs_of_resampling,
    test_costs_of_selection,
    test_costs_of_sparse_products,
)


CASES = {
    # name: (function, input shapes, MACs, FLOPs)
    # 30 scores of 2 products of 4 MACs; scale 1 and softmax 5 per score, sums one fewer than addends in 6 rows, twice.
    "flex_attention": (
        flex_attention, [(1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4)], 30 * 2 * 4, 2 * 30 * 2 * 4 + 6 * 30 - 2 * 6,
    ),
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
    "nearest upsampling": (lambda x: F.interpolate(x, scale_factor=2), [(1, 1, 3, 3)], 0, 0),
    "bicubic upsampling": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), [(1, 1, 3, 3)], 0, 36 * 31),
    "max_pool3d": (lambda x: F.max_pool3d(x, 2), [(1, 2, 4, 4, 4)], 0, 7 * 16),
    "avg_pool3d": (lambda x: F.avg_pool3d(x, 2), [(1, 2, 4, 4, 4)], 0, 8 * 16),
    # 5 into 2: windows 0-3 and 2-5, three elements each.
    "adaptive_avg_pool3d": (lambda x: F.adaptive_avg_pool3d(x, 2), [(1, 2, 5, 5, 5)], 0, 2 * 6**3),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, 3), [(1, 2, 5, 5)], 0, 2 * (49 - 9)),
    # 7 per output of four neighbours, 3 per coordinate.
    "grid_sample": (
        lambda x, g: F.grid_sample(x, g, align_corners=True), [(1, 2, 4, 4), (1, 3, 3, 2)], 0, 18 * 7 + 18 * 3,
    ),
    # mean n, variance 3n, normalise 2n, weight n, bias n; eps and root 2 for each of 2 samples x 2 groups.
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 3), (4,), (4,)], 0, 8 * 24 + 2 * 4),
    # Batch statistics: mean n and variance 3n more, running statistics 3 a channel each.
    "batch_norm in training": (
        lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b, training=True), [(2, 3, 4), (3,), (3,), (3,), (3,)],
        0, 6 * 24 + (5 + 6) * 3,
    ),
    # On meta it decomposes: square n, mean n, scale n, weight n; eps and root for each of 3 rows.
    "rms_norm": (lambda x, w: F.rms_norm(x, (5,), w), [(3, 5), (5,)], 0, 4 * 15 + 2 * 3),
    "var": (lambda x: x.var(1), [(3, 5)], 0, 4 * 15),
    "std": (lambda x: x.std(1), [(3, 5)], 0, 4 * 15 + 3),
    "vector norm": (lambda x: torch.linalg.vector_norm(x, dim=1), [(3, 5)], 0, 2 * 15),
    "logsumexp": (lambda x: torch.ops.aten.logsumexp(x, [1]), [(3, 5)], 0, 4 * 15),
    "bilinear": (
        # For each of 2 samples and 5 outputs: 3 x 4 products of input and weight, then 4 with the second input.
        F.bilinear, [(2, 3), (2, 4), (5, 3, 4)], 2 * 5 * (12 + 4), 2 * 2 * 5 * (12 + 4),
    ),
    "affine_grid": (lambda t: F.affine_grid(t, (1, 1, 3, 4), align_corners=True), [(1, 2, 3)], 24 * 3, 2 * 24 * 3),
    "cdist": (lambda a, b: torch.cdist(a, b, p=1), [(3, 5), (4, 5)], 0, 3 * 12 * 5),
    "euclidean cdist": (
        lambda a, b: torch.ops.aten._euclidean_dist(a, b), [(3, 5), (4, 5)], 12 * 7, 2 * 12 * 7 + 12 + 2 * (15 + 20),
    ),
    "weight norm": (lambda v, g: torch._weight_norm(v, g, 0), [(4, 5), (4, 1)], 0, 3 * 20 + 2 * 4),
    "complex product": (
        # Four real products and additions each: 4 MACs, 8 FLOPs.
        lambda a, b: torch.complex(a, a).mm(torch.complex(b, b)), [(2, 3), (3, 4)], 4 * 24, 8 * 24,
    ),
    "complex elementwise": (
        # 6 for the product (four multiplications, two additions), 2 for the sum, 11 for the quotient.
        lambda a: (lambda z: z * z + z / z)(torch.complex(a, a)), [(5,)], 0, 5 * (6 + 11 + 2),
    ),
    # 5 n log2 n for 8 points, twice; half of it from real numbers: 2.5 * 8 * 3.
    "fft": (lambda x: torch.fft.fft(torch.complex(x, x)), [(2, 8)], 0, 2 * 5 * 8 * 3),
    "rfft": (torch.fft.rfft, [(2, 8)], 0, 2 * 60),
    "irfft": (lambda x: torch.fft.irfft(torch.complex(x, x)), [(2, 5)], 0, 2 * 60),
    "fft2": (lambda x: torch.fft.fft2(torch.complex(x, x)), [(4, 4)], 0, 5 * 16 * 4),
    "scatter_add": (
        lambda x, s: x.scatter_add(0, torch.zeros(3, 2, dtype=torch.int64, device="meta"), s), [(4, 2), (3, 2)], 0, 6,
    ),
    "index_put": (
        lambda x, v: x.index_put((torch.zeros(3, dtype=torch.int64, device="meta"),), v, accumulate=True),
        [(4,), (3,)], 0, 3,
    ),
    "fold": (lambda x: F.fold(x, (4, 4), 2), [(1, 8, 9)], 0, 72),
    "dropout": (lambda x: torch.ops.aten.native_dropout(x, 0.5, True), [(2, 5)], 0, 20),
    "mse": (F.mse_loss, [(2, 5), (2, 5)], 0, 30),
    "nll": (
        lambda x: F.nll_loss(x, torch.zeros(4, dtype=torch.int64, device="meta")), [(4, 5)], 0, 8,
    ),
    "embedding bag": (
        lambda w: F.embedding_bag(torch.zeros(2, 3, dtype=torch.int64, device="meta"), w), [(10, 4)], 0, 24,
    ),
    "lstm cell on a gpu": (
        torch.ops.aten._thnn_fused_lstm_cell, [(2, 12), (2, 12), (2, 3), (12,), (12,)], 0, 5 * 24,
    ),
    "fused attention": (
        # 2 samples x 3 heads x 5 x 7 scores; 8 and 8 products each, scale 1, softmax 5 and 2 less a row.
        lambda q, k, v: torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v),
        [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 8)], 210 * 16, 2 * 210 * 16 + 6 * 210 - 2 * 30,
    ),
    "soft margin loss": (lambda x: F.soft_margin_loss(x, torch.ones(2, 5, device="meta")), [(2, 5)], 0, 40),
    "multi-margin loss": (
        lambda x: F.multi_margin_loss(x, torch.zeros(2, dtype=torch.int64, device="meta")), [(2, 5)], 0, 40,
    ),
    "multilabel margin loss": (
        lambda x: F.multilabel_margin_loss(x, torch.zeros(2, 5, dtype=torch.int64, device="meta")), [(2, 5)],
        0, 4 * 2 * 25,
    ),
    # Targets of up to 3 labels have 7 states, at 4 times of 2 samples.
    "connectionist temporal classification": (
        lambda x: torch.ops.aten._ctc_loss(x, torch.ones(2, 3, dtype=torch.int64), [4, 4], [3, 2]),
        [torch.rand(4, 2, 5)], 0, 12 * 4 * 2 * 7,
    ),
    # Its gradient goes over the states once more: 12 and 7, and 3 for each of 4 x 2 x 5 probabilities.
    "gradient of connectionist temporal classification": (
        lambda x: torch.ops.aten._ctc_loss_backward(
            torch.ones(2), x, torch.ones(2, 3, dtype=torch.int64), [4, 4], [3, 2], torch.ones(2),
            torch.ones(2, 4, 7), 0,
        ),
        [torch.rand(4, 2, 5)], 0, 19 * 4 * 2 * 7 + 3 * 40,
    ),
    "fractional max pooling": (
        lambda x, s: torch.ops.aten.fractional_max_pool2d(x, [2, 2], [3, 3], s), [(1, 2, 6, 6), (1, 2, 2)],
        0, 3 * 18,
    ),
    "batch norm of exported models": (
        lambda x, m, v, w, b: torch.ops.aten._native_batch_norm_legit_no_training(x, w, b, m, v, 0.1, 1e-5),
        [(2, 3, 4, 4), (3,), (3,), (3,), (3,)], 0, 2 * 96 + 15,
    ),
    "batch norm of exported models in training": (
        lambda x, m, v, w, b: torch.ops.aten._batch_norm_with_update(x, w, b, m, v, 0.1, 1e-5),
        [(2, 3, 4), (3,), (3,), (3,), (3,)], 0, 6 * 24 + (5 + 6) * 3,
    ),
    "batch norm without running statistics": (
        lambda x, w, b: torch.ops.aten._native_batch_norm_legit.no_stats(x, w, b, True, 0.1, 1e-5),
        [(2, 3, 4), (3,), (3,)], 0, 6 * 24 + 5 * 3,
    ),
    # Each of 2*5*6 outputs is 3*4 products.
    "convolution over time": (
        lambda x, w, b: torch.conv_tbc(x, w, b, 1), [(5, 2, 4), (3, 4, 6), (6,)], 60 * 12, 2 * 60 * 12 + 60,
    ),
    "distance": (lambda a, b: torch.dist(a, b), [(2, 5), (2, 5)], 0, 30),
    "renormalising": (lambda x: x.renorm(2, 0, 1.0), [(2, 5)], 0, 30),
    "renormalising an embedding": (
        lambda w: F.embedding(torch.zeros(3, dtype=torch.int64, device="meta"), w.clone(), max_norm=1.0),
        [torch.rand(10, 4)], 0, 36,
    ),
    "segments": (
        lambda x: torch.segment_reduce(x, "sum", lengths=torch.tensor([2, 3]), unsafe=True), [torch.rand(5, 4)], 0, 20,
    ),
    "scatter_reduce": (
        lambda x, s: x.scatter_reduce(0, torch.zeros(3, 2, dtype=torch.int64, device="meta"), s, "mean"),
        [(4, 2), (3, 2)], 0, 6 + 8,
    ),
    "index_reduce": (
        lambda x, s: x.index_reduce(0, torch.zeros(3, dtype=torch.int64, device="meta"), s, "amax"),
        [(4, 2), (3, 2)], 0, 6,
    ),
    "masked index_put": (
        lambda x, v: torch.ops.aten._unsafe_masked_index_put_accumulate(
            x, torch.ones(3, dtype=torch.bool, device="meta"), [torch.zeros(3, dtype=torch.int64, device="meta")], v,
        ),
        [(4,), (3,)], 0, 3,
    ),
    "add and relu": (lambda a, b: torch.ops.aten._add_relu(a, b), [torch.rand(2, 5), torch.rand(2, 5)], 0, 20),
    "polar": (torch.polar, [(5,), (5,)], 0, 20),
    "conjugate": (lambda a: torch.conj_physical(torch.complex(a, a)), [(5,)], 0, 5),
    "copying a view": (torch.diagonal_copy, [(3, 3)], 0, 0),
    "lstm on a gpu": (
        # 5 steps of 2 samples; 4 gates of 4 units from 3 inputs and 4 states. Two sums, two biases and a function for
        # each of 16 gates, and 5 for each of 4 units.
        lambda x, w, v, b, c, h: torch.lstm(x, [h, h], [w, v, b, c], True, 1, 0.0, False, False, False),
        [(5, 2, 3), (16, 3), (16, 4), (16,), (16,), (1, 2, 4)],
        10 * (48 + 64), 2 * 10 * 112 + 10 * (4 * 16 + 5 * 4),
    ),
    "moving data": (lambda x: torch.cat([x, x]).clone(), [(3,)], 0, 0),
}  # fmt: skip


BACKWARD = {
    # name: (function, input shapes, FLOPs of the backward pass with a gradient for every input)
    # 30 scores of 5 products of 4 MACs, the scores again among them; 10 for softmax, its gradient and the scale.
    "flex_attention": (flex_attention, [(1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4)], 2 * 30 * 5 * 4 + 10 * 30),
    # The products of forward twice; the bias's gradient sums 2*6*6*6 outputs to 6.
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b), [(2, 4, 8, 8), (6, 4, 3, 3), (6,)], 2 * 2 * 432 * 36 + 432 - 6),
    "relu": (F.relu, [(2, 5)], 10),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), [(1, 2, 4, 4)], 8),
    "max_pool3d": (lambda x: F.max_pool3d(x, 2), [(1, 2, 4, 4, 4)], 16),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, 2), [(1, 2, 4, 4)], 8),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), [(1, 2, 4, 4)], 8 * 5),
    "avg_pool3d": (lambda x: F.avg_pool3d(x, 2), [(1, 2, 4, 4, 4)], 16 * 9),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, 3), [(1, 2, 5, 5)], 2 * 49 + 18),
    "softmax": (lambda x: x.softmax(-1), [(3, 5)], 60),
    "log_softmax": (lambda x: x.log_softmax(-1), [(3, 5)], 60),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (5,), w, b), [(3, 5), (5,), (5,)], (9 + 1 + 2 + 1) * 15),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 3), (4,), (4,)], (9 + 1 + 2 + 1) * 24),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), [(2, 3, 4), (3,), (3,)], 9 * 24,
    ),
    "bilinear upsampling": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), [(1, 1, 3, 3)], 36 * 8),
    "bicubic upsampling": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), [(1, 1, 3, 3)], 36 * 32),
    "embedding": (
        lambda w: F.embedding(torch.zeros(3, dtype=torch.int64, device="meta"), w), [(10, 4)], 12,
    ),
    "embedding bag": (
        lambda w: F.embedding_bag(torch.zeros(2, 3, dtype=torch.int64, device="meta"), w, mode="sum"), [(10, 4)], 24,
    ),
    # Each of 6 looked-up rows of 4 has a product with the gradient and a sum for its weight, an addition for its own.
    "weighted embedding bag": (
        lambda w, s: F.embedding_bag(
            torch.zeros(2, 3, dtype=torch.int64, device="meta"), w, mode="sum", per_sample_weights=s,
        ),
        [(10, 4), (2, 3)], 24 * 2 + 24,
    ),
    "select": (lambda x: x[0], [(2, 5)], 0),
    "reflection padding": (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), [(1, 1, 3, 3)], 25 - 9),
    "weight norm": (lambda v, g: torch._weight_norm(v, g, 0), [(4, 5), (4, 1)], 5 * 20 + 2 * 4),
    "fused attention": (
        lambda q, k, v: torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)[0],
        [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 8)], 2 * 210 * 40 + 10 * 210,
    ),
    "lstm on a gpu": (
        # Gradients of the weights, the inputs and the initial states: twice the products of forward, and the gates
        # twice. The 8 initial states, given as both, get two gradients.
        lambda x, w, v, b, c, h: torch.lstm(x, [h, h], [w, v, b, c], True, 1, 0.0, True, False, False),
        [(5, 2, 3), (16, 3), (16, 4), (16,), (16,), (1, 2, 4)],
        2 * 2 * 10 * 112 + 2 * 10 * 84 + 8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BACKWARD)
def test_the_backward_pass_costs_what_its_arithmetic_says(name):
    function, shapes, flops = BACKWARD[name]
    assert backward_flops(function, *shapes) == flops


def update_of(model, *optimizer):
    inputs = torch.empty(4, 2, device="meta")
    return [op for op in trace(model, inputs, mode="train", optimizer=Optimizer(*optimizer)).update if not op.is_free]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("algorithm", "flops"),
    [
        # The rate times the gradient, subtracted; with momentum its decay and the gradient's addition.
        ("sgd", 2), ("momentum", 4),
        # Means: 3 (a lerp), squares: 1 + 3, then root, correction and epsilon, and a step of 3.
        ("adam", 13), ("adamw", 13),
    ],
)  # fmt: skip
def test_an_update_costs_the_same_in_every_form(algorithm, flops, form):
    # 2*3 weights and 3 biases; Adam's two counters of steps are counted up, in one form more than the others.
    operations = [op for op in update_of(nn.Linear(2, 3), algorithm, form) if max(map(elements, op.inputs)) > 1]
    assert sum(op.flops for op in operations) == 9 * flops
    decayed = update_of(nn.Linear(2, 3), algorithm, form, 0.1)
    decay = {"sgd": 2, "momentum": 2, "adam": 2, "adamw": 1}[algorithm]
    assert sum(op.flops for op in decayed if max(map(elements, op.inputs)) > 1) == 9 * (flops + decay)


def elements(info):
    return prod(info.shape)


def test_an_update_moves_what_it_reads_and_writes():
    (fused,) = update_of(nn.Linear(2, 3), "momentum", "fused")
    assert (fused.read_bytes, fused.written_bytes) == (4 * 9 * 3, 4 * 9 * 2)
    (scaled, added, stepped) = update_of(nn.Linear(2, 3), "momentum", "foreach")
    assert (scaled.read_bytes, added.read_bytes, stepped.read_bytes) == (4 * 9, 4 * 9 * 2, 4 * 9 * 2)
    assert scaled.written_bytes == added.written_bytes == stepped.written_bytes == 4 * 9


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_every_formula_has_a_case():
    used = set()
    for family in (sys.modules[__name__], *FAMILIES):
        for function, inputs, *_ in family.CASES.values():
            used.update(op.name for op in operations(function, *inputs))
        used.update(f"aten.{operator}" for operator in getattr(family, "COMPRESSED", ()))
        for function, shapes, _ in getattr(family, "BACKWARD", {}).values():
            used.update(op.name for op in operations_in_training(function, *shapes))
    for optimizer in product(STATES, FORMS, (0.0, 0.1)):
        used.update(op.name for op in update_of(nn.Linear(2, 3), *optimizer))
    covered = {find_rule(name).formula for name in used if find_rule(name)}
    missing = {rule.formula for rule in all_rules()} - covered
    # These run on a GPU only.
    assert {formula.__name__ for formula in missing} <= {"_gru_cell"}


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


@pytest.fixture
def restored_rules(monkeypatch):
    monkeypatch.setattr(registry, "_RULES", dict(registry._RULES))


BESSEL = torch.ops.aten.special_bessel_j0


@pytest.mark.parametrize("operator", [BESSEL, BESSEL.default, "aten.special_bessel_j0"])
def test_a_user_can_add_a_rule(operator, restored_rules):
    def polynomial(x, *args, out, **kwargs):
        """FLOPs: 7 per element, say."""
        return archbench.Cost(flops=7 * x.numel())

    assert not operations(torch.special.bessel_j0, (5,))[0].counted
    archbench.register_cost(operator, polynomial)
    (operation,) = operations(torch.special.bessel_j0, (5,))
    assert (operation.counted, operation.flops) == (True, 35)
    assert find_rule("aten.special_bessel_j0").text == "FLOPs: 7 per element, say"


def test_a_user_can_count_an_operator_of_their_own(restored_rules):
    @torch.library.custom_op("archbench_test::triple", mutates_args=())
    def triple(x: torch.Tensor) -> torch.Tensor:
        return x * 3

    triple.register_fake(torch.empty_like)
    assert [op.name for op in operations(triple, (5,)) if not op.counted] == ["archbench_test.triple"]
    archbench.register_cost(torch.ops.archbench_test.triple, lambda x, *, out: archbench.Cost(flops=x.numel()))
    assert sum(op.flops for op in operations(triple, (5,))) == 5


def test_a_rule_is_registered_for_an_operator_only():
    with pytest.raises(TypeError, match=r"such as torch\.ops\.aten\.sort, not 3"):
        archbench.register_cost(3, lambda *args, out: archbench.Cost())


def test_every_rule_is_said_in_words_and_names_an_operator_that_exists():
    for rule in all_rules():
        assert rule.text.startswith(("MACs", "FLOPs"))
        namespace, _, name = rule.operator.partition(".")
        assert hasattr(getattr(torch.ops, namespace), name), rule.operator


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 8, 3, groups=2),
        nn.Conv2d(4, 8, 4, padding="same"),
        nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1),
    ],
)
def test_the_convolution_of_torchscript_costs_what_the_layer_costs(layer):
    x = torch.rand(2, 4, 9, 9)
    traced = archbench.summarize(torch.jit.trace(layer.eval(), x), x)  # runs aten._convolution
    eager = archbench.summarize(layer, x)
    assert (traced.totals.macs, traced.totals.flops) == (eager.totals.macs, eager.totals.flops)
    assert traced.uncounted == {}
