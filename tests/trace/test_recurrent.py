"""Recurrent layers are one operator, with the products of their steps."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.flop_counter import FlopCounterMode

from archbench.analyze.layers import layer_table
from archbench.trace.tracer import trace
from tests.helpers.models import Call

LAYERS = {
    f"{cell.__name__}, {options}": (cell, options)
    for cell, options in itertools.product(
        (nn.RNN, nn.GRU, nn.LSTM),
        ({}, {"num_layers": 2, "bidirectional": True}, {"num_layers": 3, "bias": False}, {"batch_first": True}),
    )
} | {"LSTM, projected": (nn.LSTM, {"proj_size": 2, "num_layers": 2})}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("input_needs_gradient", [False, True])
def test_a_recurrent_layer_has_the_products_of_its_steps(name, input_needs_gradient):
    cell, options = LAYERS[name]
    layer = cell(3, 4, device="meta", **options)
    data = torch.empty(5, 2, 3, device="meta", requires_grad=input_needs_gradient)
    record = trace(layer, data, mode="train")
    assert [op.name for op in record.operations if op.macs] == ["aten._cudnn_rnn", "aten._cudnn_rnn_backward"]
    totals = layer_table(record).totals
    counter = FlopCounterMode(display=False)
    with counter:  # on meta tensors torch runs the steps one by one
        out, state = layer(data)
        states = state if isinstance(state, tuple) else (state,)
        (out.sum() + sum(each.sum() for each in states)).backward()
    assert 2 * totals.training_macs == counter.get_total_flops()


@pytest.mark.parametrize("name", LAYERS)
def test_flops_are_those_of_the_steps(name):
    cell, options = LAYERS[name]
    layer = cell(3, 4, device="meta", **options)
    data = torch.empty(5, 2, 3, device="meta")
    fused = layer_table(trace(layer, data)).totals
    steps = layer_table(trace(layer, data, device_kind="cpu")).totals
    assert (fused.macs, fused.flops) == (steps.macs, steps.flops)


def test_a_packed_sequence_has_the_products_of_its_tokens():
    lstm = nn.LSTM(3, 4)
    lengths = torch.tensor([5, 2])
    packed = pack_padded_sequence(torch.randn(5, 2, 3), lengths)
    macs = layer_table(
        trace(Call(lambda data, sizes: lstm(packed._replace(data=data))[0].data), (packed.data, packed.batch_sizes))
    ).totals.macs
    # 7 tokens; 4 gates of 4 units from 3 inputs and 4 states.
    assert macs == 7 * 16 * (3 + 4)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_sequences_are_packed_without_data(mode, cell, enforce_sorted):
    layer = cell(3, 4, batch_first=True)

    def forward(data, lengths):
        packed = pack_padded_sequence(data, lengths, batch_first=True, enforce_sorted=enforce_sorted)
        return pad_packed_sequence(layer(packed)[0], batch_first=True)[0]

    data = torch.empty(3, 5, 3, requires_grad=mode == "train")
    record = trace(Call(forward), (data, torch.tensor([4, 3, 2])), mode=mode)
    assert record.real_data_reason is None
    # 9 tokens; the gates of 4 units from 3 inputs and 4 states.
    assert layer_table(record).totals.macs == 9 * (12 if cell is nn.GRU else 16) * (3 + 4)
    assert next(op for op in record.operations if op.name == "aten._cudnn_rnn").inputs[0].shape == (9, 3)


def test_an_lstm_keeps_its_input_its_result_and_what_passes_between_its_layers():
    lstm = nn.LSTM(8, 8, num_layers=3, device="meta")
    record = trace(lstm, torch.empty(6, 2, 8, device="meta"), mode="train", optimizer=None)
    kept = [op.outputs[3].size_bytes for op in record.operations if op.name == "aten._cudnn_rnn"]
    assert kept == [2 * 6 * 2 * 8 * 4]
