"""Recurrent cells fused into one operator, as on a GPU; on meta tensors they decompose."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost


@cost("_thnn_fused_lstm_cell")
def _lstm_cell(gates: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per gate: three additions and an activation; 4 per unit: the new state and the output."""
    return Cost(flops=5 * gates.numel())


@cost("_thnn_fused_gru_cell")
def _gru_cell(gates: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per gate: three additions and an activation; 4 per unit: the reset and the new state."""
    return Cost(flops=4 * gates.numel() + 4 * gates.numel() // 3)
