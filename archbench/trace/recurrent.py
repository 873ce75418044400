"""Recurrent layers as cuDNN runs them: all layers, directions and time steps in one operator.

torch calls cuDNN for `nn.RNN`, `nn.GRU` and `nn.LSTM` on NVIDIA GPUs (ATen/native/RNN.cpp and cudnn/RNN.cpp).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# cuDNN's numbers of the cells.
_MODES = {"rnn_relu": 0, "rnn_tanh": 1, "lstm": 2, "gru": 3}


def recurrent_layers() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return for each of torch's functions for recurrent layers the one that takes its place."""
    return {getattr(torch, name): _function(name) for name in _MODES}


def _function(name: str) -> Callable[..., Any]:
    original = getattr(torch, name)

    def run(data: Tensor, second: Any, third: Any, *others: Any) -> Any:
        is_packed = isinstance(others[0], (tuple, list))  # then `second` has the batch sizes
        if not data.is_meta or (is_packed and second.is_meta):
            return original(data, second, third, *others)
        if is_packed:
            weights, *settings = others
            return _run(name, data, third, weights, (*settings, False), second.tolist())
        return _run(name, data, second, third, others, [])

    return run


def _run(name: str, data: Tensor, state: Any, weights: Any, settings: tuple[Any, ...], batch_sizes: list[int]) -> Any:
    has_biases, num_layers, dropout, train, bidirectional, batch_first = settings
    hidden, cell = state if name == "lstm" else (state, None)
    hidden_size = (hidden if cell is None else cell).shape[-1]
    projected = hidden.shape[-1] if hidden.shape[-1] != hidden_size else 0
    per_cell = (4 if has_biases else 2) + bool(projected)
    # cuDNN's wrapper copies a batch that comes first, and returns a transposed view.
    steps = data.transpose(0, 1).contiguous() if batch_first else data
    out, last, last_cell, _, _ = torch.ops.aten._cudnn_rnn(
        steps, list(weights), per_cell, None, hidden, cell, _MODES[name], hidden_size, projected, num_layers, False,
        dropout, train, bidirectional, batch_sizes, None,
    )  # fmt: skip
    if out.requires_grad:
        out = _ContiguousGradient.apply(out)
    out = out.transpose(0, 1) if batch_first else out
    return (out, last) if cell is None else (out, last, last_cell)


class _ContiguousGradient(torch.autograd.Function):
    """Copies a gradient that is not contiguous, as cuDNN's wrapper does."""

    @staticmethod
    def forward(_ctx: Any, out: Tensor) -> Tensor:
        return out.view_as(out)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous()
