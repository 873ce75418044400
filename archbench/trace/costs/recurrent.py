"""Recurrent layers and cells that are one operator, as on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import Count, count

# By cuDNN's number of the cell (plain with ReLU, plain with tanh, LSTM, GRU): its gates, and the FLOPs per unit of the
# state beside the products and the biases. A gate adds two products and applies a function (2). An LSTM also computes
# f·c + i·g, tanh(c) and o·tanh(c) (5), a GRU r·n and n + z·(h − n) (4).
_GATES = (1, 1, 4, 3)
_PER_UNIT = (2, 2, 13, 10)


@cost("_thnn_fused_lstm_cell")
def _lstm_cell(gates: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per gate: three additions and an activation; 4 per unit: the new state and the output."""
    return Cost(flops=count("5·{o}", o=gates.shape))


@cost("_thnn_fused_gru_cell")
def _gru_cell(gates: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per gate: three additions and an activation; 4 per unit: the reset and the new state."""
    return Cost(flops=count("4·{o} + 4·{o}/3", o=gates.shape))


@cost("_cudnn_rnn")
def _layers(data: Tensor, weights: Sequence[Tensor], *args: Any, out: Any) -> Cost:
    """MACs: elements of the weight matrices per time step and sample; FLOPs: 2 per MAC, and the gates' arithmetic.

    That is 2, 10 or 13 per unit of a plain layer, a GRU or an LSTM, and 2 per gate for biases.
    """
    steps, cells = tuple(size for size in data.shape[:-1] if size > 1), args[2].shape[0]
    gates, _, per_unit, biases = _gates(*args)
    hidden = weights[0].shape[0] // gates
    macs = count("{s}·{w}", s=steps, w=_matrices(weights[: args[0]], gates, hidden, cells, is_double=args[11]))
    formula, own = ("({n} + 2·{g})", {"g": gates}) if biases else ("{n}", {})
    return Cost(macs, count(f"2·{{m}} + {{s}}·{{u}}·{formula}", m=macs, s=steps, u=(cells, hidden), n=per_unit, **own))


def _matrices(cell: Sequence[Tensor], gates: int, hidden: int, cells: int, is_double: bool) -> Count:
    """Return the elements of the weight matrices from those of the first cell.

    A gate's matrices meet the input and the state; layers above the first get the states of all directions. With a
    projection, which is a third matrix, the state is smaller than the `hidden` units.
    """
    size, state = cell[0].shape[1], cell[1].shape[1]
    directions = 2 if is_double else 1
    factors = {"d": directions, "g": gates, "h": hidden}
    factors = {name: value for name, value in factors.items() if value > 1 or name == "h"}
    product = "·".join(f"{{{name}}}" for name in factors)
    formula, values = f"{product}·({{i}} + {{r}})", {**factors, "i": size, "r": state}
    if above := cells // directions - 1:
        formula += f" + {{l}}·{product}·({{k}} + {{r}})" if above > 1 else f" + {product}·({{k}} + {{r}})"
        values |= {"k": directions * state, **({"l": above} if above > 1 else {})}
    if state != hidden or len(cell) in (3, 5):
        formula, values = f"{formula} + {{p}}·{{r}}·{{h}}", {**values, "p": cells}
    return count(formula, **values)


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
    _, units, per_unit, biases = _gates(*args)
    return Cost(total, 2 * total + 2 * steps * units * (per_unit + biases))


def _gates(per_cell: int, _buffer: Any, hidden: Tensor, cell: Tensor | None, *args: Any) -> tuple[int, int, int, int]:
    """Return a cell's gates, the units of a step, and the FLOPs of each beside the products, without and for biases."""
    mode = next(value for value in args if isinstance(value, int))
    units = hidden.shape[0] * (hidden if cell is None else cell).shape[-1]
    biases = 2 * _GATES[mode] if per_cell >= 4 else 0
    return _GATES[mode], units, _PER_UNIT[mode], biases
