"""Recurrent layers fused into one operator, as they run on real tensors; on meta tensors they decompose."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.common import product
from archbench.trace.costs.registry import Cost, cost


@cost("mkldnn_rnn_layer")
def _mkldnn_rnn(x: Tensor, input_weight: Tensor, hidden_weight: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """MACs: steps x batch x elements of both weight matrices; FLOPs: 2 per MAC, 4 per gate for bias and activation."""
    samples = x.shape[0] * x.shape[1]
    macs = samples * (input_weight.numel() + hidden_weight.numel())
    return product(x, macs, 4 * samples * input_weight.shape[0])


@cost("_cudnn_rnn")
def _cudnn_rnn(x: Tensor, weights: list[Tensor], *_args: Any, out: Any, **_: Any) -> Cost:
    """MACs: steps x batch x elements of all weight matrices; FLOPs: 2 per MAC, 2 per gate for biases and activation."""
    samples = x.shape[0] * x.shape[1]
    matrices = [weight for weight in weights if weight.dim() > 1]
    macs = samples * sum(weight.numel() for weight in matrices)
    return product(x, macs, 2 * samples * sum(weight.shape[0] for weight in matrices))


@cost("_thnn_fused_lstm_cell")
def _lstm_cell(gates: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per gate: three additions and an activation; 4 per unit: the new state and the output."""
    return Cost(flops=5 * gates.numel())


@cost("_thnn_fused_gru_cell")
def _gru_cell(gates: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per gate: three additions and an activation; 4 per unit: the reset and the new state."""
    return Cost(flops=4 * gates.numel() + 4 * gates.numel() // 3)
