"""Quantised recurrent layers and cells, whose packed weights run in one operator."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.common import first, product
from archbench.trace.costs.registry import Cost, cost


@cost("quantized_lstm")
def _lstm(x: Tensor, *args: Any, out: Any, **_: Any) -> Cost:
    """MACs: 4 x (input + hidden size) x hidden size per step, layer and direction; FLOPs: 2 per MAC, 20 per unit.

    A unit has three additions and an activation for each of 4 gates, and 4 for the new state and the output.
    """
    state = next(arg for arg in args if isinstance(arg, list))[0]
    return _layers(x, state, first(out), gates=4)


@cost("quantized_gru")
def _gru(x: Tensor, *args: Any, out: Any, **_: Any) -> Cost:
    """MACs: 3 x (input + hidden size) x hidden size per step, layer and direction; FLOPs: 2 per MAC, 16 per unit."""
    state = [arg for arg in args if isinstance(arg, Tensor)][-1]
    return _layers(x, state, first(out), gates=3)


@cost("quantized_lstm_cell_dynamic", namespace="quantized")
def _lstm_cell(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """MACs: 4 x (input + hidden size) x hidden size per sample; FLOPs: 2 per MAC, 20 per unit."""
    return _cell(x, first(out), gates=4)


@cost("quantized_gru_cell_dynamic", namespace="quantized")
def _gru_cell(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: 3 x (input + hidden size) x hidden size per sample; FLOPs: 2 per MAC, 16 per unit."""
    return _cell(x, out, gates=3)


@cost("quantized_rnn_relu_cell_dynamic", "quantized_rnn_tanh_cell_dynamic", namespace="quantized")
def _rnn_cell(x: Tensor, *_args: Any, out: Tensor, **_: Any) -> Cost:
    """MACs: (input + hidden size) x hidden size per sample; FLOPs: 2 per MAC, 4 per unit."""
    macs = out.numel() * (x.shape[-1] + out.shape[-1])
    return product(out, macs, 4 * out.numel())


def _cell(x: Tensor, state: Tensor, gates: int) -> Cost:
    units = state.numel()
    return product(state, gates * units * (x.shape[-1] + state.shape[-1]), 4 * (gates + 1) * units)


def _layers(x: Tensor, state: Tensor, out: Tensor, gates: int) -> Cost:
    """Return the cost of stacked layers; `state` is (layers x directions, batch, hidden size)."""
    hidden = state.shape[-1]
    directions = out.shape[-1] // hidden
    layers = state.shape[0] // directions
    units = out.numel()
    inputs = x.shape[-1] + (layers - 1) * out.shape[-1] + layers * hidden
    return product(out, gates * units * inputs, 4 * (gates + 1) * units * layers)
