"""Recurrent layers and cells that are one operator, as on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import count

# By cuDNN's number of the cell (plain with ReLU, plain with tanh, LSTM, GRU): its gates, and the FLOPs per unit of the
# state beside the products and the biases. A gate adds two products and applies a function (2). An LSTM also computes
# f·c + i·g, tanh(c) and o·tanh(c) (5), a GRU r·n and n + z·(h − n) (4).
_GATES = (1, 1, 4, 3)
_PER_UNIT = (2, 2, 13, 10)


@cost("_thnn_fused_lstm_cell")
def _lstm_cell(gates: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per gate: three additions and an activation; 4 per unit: the new state and the output."""
    return Cost(flops=5 * gates.numel())


@cost("_thnn_fused_gru_cell")
def _gru_cell(gates: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per gate: three additions and an activation; 4 per unit: the reset and the new state."""
    return Cost(flops=4 * gates.numel() + 4 * gates.numel() // 3)


@cost("_cudnn_rnn")
def _layers(data: Tensor, weights: Sequence[Tensor], *args: Any, out: Any) -> Cost:
    """MACs: elements of the weight matrices per time step and sample; FLOPs: 2 per MAC, and the gates' arithmetic.

    That is 2, 10 or 13 per unit of a plain layer, a GRU or an LSTM, and 2 per gate for biases.
    """
    steps = tuple(data.shape[:-1])
    macs = count("{s}·{w}", s=steps, w=sum(weight.numel() for weight in weights if weight.dim() == 2))
    units, per_unit = _gates(*args)
    return Cost(macs, count("2·{m} + {s}·{u}·{n}", m=macs, s=steps, u=units, n=per_unit))


@cost("_cudnn_rnn_backward")
def _layers_backward(data: Tensor, weights: Sequence[Tensor], *args: Any, out: Any) -> Cost:
    """MACs: as forward for the gradients of inputs and states, and for the weights'; FLOPs: 2 per MAC, gates twice.

    No product is counted for the input of the first layer and for the initial states where their gradients are not
    wanted.
    """
    per_cell, hidden, wanted = args[0], args[2], args[-1]
    cells = [weights[i : i + per_cell] for i in range(0, len(weights), per_cell)]
    first_layer = cells[: 1 + args[15]]
    steps, batch = data.shape[:-1].numel(), hidden.shape[1]
    macs = steps * sum(weight.numel() for weight in weights if weight.dim() == 2)
    unwanted = 0 if wanted[0] else steps * sum(cell[0].numel() for cell in first_layer)
    unwanted += 0 if wanted[1] else batch * sum(cell[1].numel() for cell in cells)
    total = macs - unwanted + macs * bool(wanted[3])
    units, per_unit = _gates(*args)
    return Cost(total, 2 * total + 2 * steps * units * per_unit)


def _gates(per_cell: int, _buffer: Any, hidden: Tensor, cell: Tensor | None, *args: Any) -> tuple[int, int]:
    """Return the units of a step, and the FLOPs of each beside the products."""
    mode = next(value for value in args if isinstance(value, int))
    units = hidden.shape[0] * (hidden if cell is None else cell).shape[-1]
    biases = 2 * _GATES[mode] if per_cell >= 4 else 0
    return units, _PER_UNIT[mode] + biases
