"""Weights that are not parameters: what counts as one, and how it is said."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import archbench
from archbench.analyze.other_weights import OtherWeights, other_weights
from archbench.trace.tracer import trace


class PackedLinear(nn.Module):
    """Eight weights of 4 bits in each int32 of a buffer, in the manner of GPTQ."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("qweight", torch.zeros(inputs // 8, outputs, dtype=torch.int32))
        self.register_buffer("shifts", torch.arange(0, 32, 4, dtype=torch.int32).view(1, 8, 1))
        self.register_buffer("scales", torch.ones(outputs))

    def forward(self, x):
        codes = (self.qweight.unsqueeze(1) >> self.shifts) & 15
        return x @ (codes.reshape(-1, codes.shape[-1]) * self.scales)


def test_packed_buffers_are_said_with_the_values_that_products_multiply_by():
    net = nn.Sequential(PackedLinear(64, 32), nn.ReLU(), PackedLinear(32, 16))
    # 64 * 32 + 32 * 16 = 2,560 values, in 320 numbers of 32 bits.
    assert other_weights(trace(net, torch.randn(2, 64))) == OtherWeights(2560, ("0", "2"))
    summary = archbench.summarize(net, torch.randn(2, 64))
    assert summary.totals.params == 0
    assert summary.caveats == (
        "Sequential: 2.560K weights are not parameters but buffers or packed weights of 0 and 2; params leave them out",
    )


def test_a_buffer_that_a_module_multiplies_by_twice_is_one_weight():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = PackedLinear(16, 16)

        def forward(self, x):
            return self.layer(self.layer(x))

    assert other_weights(trace(Twice(), torch.randn(2, 16))) == OtherWeights(256, ("layer",))


def test_buffers_that_are_added_or_small_are_no_weights():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 64)
            self.norm = nn.BatchNorm1d(64)
            self.register_buffer("mask", torch.zeros(64, 64))
            self.register_buffer("filter", torch.ones(1, 1, 3))

        def forward(self, x):
            x = self.norm(self.linear(x))
            scores = torch.baddbmm(self.mask, x.expand(2, 64, 64), x.expand(2, 64, 64))
            return functional.conv1d(scores.view(-1, 1, 64), self.filter)

    # The filter's 3 values are less than 1% of 64 * 64 + 64 + 128 parameters.
    assert other_weights(trace(Net(), torch.randn(64, 64))) is None


def test_weights_computed_from_parameters_of_two_layers_are_theirs():
    class Merged(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.up = nn.Linear(16, 4, False), nn.Linear(4, 16, False)

        def forward(self, x):
            return x @ (self.up.weight @ self.down.weight)

    assert other_weights(trace(Merged(), torch.randn(2, 16))) is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_torchs_packed_weights_are_said_with_their_biases():
    net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)).eval()
    net = torch.ao.quantization.quantize_dynamic(net, {nn.Linear})
    # 16 * 32 + 32 + 32 * 4 + 4, also if a layer is called twice.
    assert other_weights(trace(net, torch.randn(2, 16))) == OtherWeights(676, ("0", "2"))
    twice = nn.Sequential(net[2], nn.ConstantPad1d((0, 28), 0.0), net[2])
    assert other_weights(trace(twice, torch.randn(2, 32))) == OtherWeights(132, ("0",))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_the_packed_weights_of_recurrent_layers_and_embeddings_are_said():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.cells = nn.Embedding(10, 16), nn.LSTM(16, 32)

        def forward(self, x):
            return self.cells(self.table(x))[0]

    net = torch.ao.quantization.quantize_dynamic(Net().eval(), {nn.LSTM})
    net.table = torch.ao.nn.quantized.Embedding(10, 16)
    # 10 * 16 values; four gates of 32 units with 16 inputs and 32 states each, and two biases.
    expected = OtherWeights(160 + 4 * 32 * (16 + 32 + 2), ("table", "cells"))
    assert other_weights(trace(net, torch.zeros(3, 2, dtype=torch.long))) == expected
