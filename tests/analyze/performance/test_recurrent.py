from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from archbench.analyze.performance.estimate import rate
from archbench.analyze.performance.kernels import eager_kernels
from archbench.analyze.performance.rate_basis import rate_basis
from archbench.analyze.performance.recurrent import recurrent_parts
from archbench.analyze.performance.roofline import Conditions, time_s
from archbench.hardware.find import find_device
from archbench.precision import PRECISIONS
from archbench.trace.tracer import trace

STEPS, BATCH, WIDTH, UNITS = 100, 4, 24, 16


def traced(model, *shape, mode="eval"):
    return trace(model, torch.empty(shape), mode=mode, device_kind="cuda")


def parts(record, name="aten._cudnn_rnn"):
    (operation,) = [each for each in record.operations if each.name == name]
    found = list(recurrent_parts(operation))
    assert sum(part.flops for part in found) == pytest.approx(operation.flops, rel=1e-3)
    return found


def test_each_step_of_each_layer_and_direction_is_launched():
    # A product and a kernel of the gates for each of 100 steps, layers and directions, and a product of all inputs.
    for layers, directions in ((1, 1), (2, 1), (3, 2)):
        layer = nn.LSTM(WIDTH, UNITS, layers, bidirectional=directions == 2)
        found = parts(traced(layer, STEPS, BATCH, WIDTH))
        assert [part.launches for part in found] == [1, 2 * STEPS] * layers * directions


def test_the_products_of_a_cell_have_the_sizes_of_its_matrices():
    first, recurrent, second, _ = parts(traced(nn.LSTM(WIDTH, UNITS, 2), STEPS, BATCH, WIDTH))
    gates = 4 * UNITS
    assert [(part.product.depth, part.product.columns) for part in (first, recurrent, second)] == [
        (WIDTH, gates),
        (UNITS, gates),
        (UNITS, gates),
    ]
    # All gates are written by the one product and read by the other, in float32.
    assert first.moved == (4 * STEPS * BATCH * WIDTH, 4 * STEPS * BATCH * gates)
    assert recurrent.moved == (4 * STEPS * BATCH * gates, 4 * STEPS * BATCH * UNITS)
    assert (first.weight_bytes, recurrent.weight_bytes) == (4 * gates * WIDTH, 4 * gates * UNITS)


def test_backward_launches_the_steps_too_and_the_gradients_of_weights_once():
    record = traced(nn.GRU(WIDTH, UNITS), STEPS, BATCH, WIDTH, mode="train")
    assert [part.launches for part in parts(record, "aten._cudnn_rnn_backward")] == [2 * STEPS, 2]


def test_a_state_s_matrix_larger_than_a_cache_is_read_in_each_step():
    # 4 * 1024 * 1024 weights of 4 bytes are 16 MiB.
    _, recurrent = parts(traced(nn.LSTM(8, 1024), STEPS, 1, 8))
    assert recurrent.weight_bytes == STEPS * 16 * 2**20


def test_a_packed_sequence_has_the_steps_of_its_longest():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.LSTM(WIDTH, UNITS)

        def forward(self, x):
            return self.layer(pack_padded_sequence(x, torch.full((BATCH,), STEPS)))[1][0]

    assert [part.launches for part in parts(traced(Packed(), STEPS, BATCH, WIDTH))] == [1, 2 * STEPS]


def test_a_small_lstm_is_as_slow_as_its_launches():
    # 2 layers of 100 steps, 2 kernels each: 400 launches, which take 0.4 to 2 ms on any GPU of these years.
    device, record = find_device("rtx4090"), traced(nn.LSTM(512, 512, 2), STEPS, 1, 512)
    for layout in ("nchw", "nhwc"):
        basis = rate_basis(device, mode="eval", dtype="amp", layout=layout, is_compiled=False)
        conditions = Conditions(device, PRECISIONS["amp"], basis.coefficients, layout)
        compiled = time_s(record, replace(conditions, is_compiled=True))
        assert 400e-6 < compiled <= time_s(record, conditions) < 2e-3
        # Python issues one operator for them all, so a slow host does not lower the low end.
        found = rate(record, conditions, basis)
        assert found.images_per_s_low == pytest.approx(found.images_per_s / basis.factor)


def test_flops_are_those_of_the_operator_once():
    record = traced(nn.LSTM(WIDTH, UNITS, 2), STEPS, BATCH, WIDTH)
    kernels = [kernel for kernel in eager_kernels(record, "nchw", is_gpu=True) if kernel.product]
    assert [kernel.is_main for kernel in kernels] == [True, False, False, False]
