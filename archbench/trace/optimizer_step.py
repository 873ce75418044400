"""Run an optimizer step with torch's own code on meta tensors.

Constructing one of torch's optimizer classes loads its compiler, a second of start-up. The functional forms that they
call, which are public too, do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from archbench.errors import UsageError
from archbench.trace.recorder import Recorder

Algorithm = Literal["sgd", "momentum", "adam", "adamw"]
Form = Literal["foreach", "fused", "loop"]

# Number of tensors of a parameter's size that each algorithm keeps between steps.
STATES: dict[Algorithm, int] = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
FORMS: tuple[Form, ...] = ("foreach", "fused", "loop")

# Arbitrary: values change neither shapes nor costs, except a momentum or weight decay of zero.
_RATE, _MOMENTUM, _BETAS, _EPSILON = 0.1, 0.9, (0.9, 0.999), 1e-8


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An algorithm that updates the parameters after a backward pass.

    `form` is torch's implementation: `foreach`, its default on GPUs, passes all parameters to each operator, `fused`
    calls one operator for all, `loop` updates one parameter at a time.
    """

    algorithm: Algorithm
    form: Form = "foreach"
    weight_decay: float = 0.0

    def __str__(self) -> str:
        decay = f", weight decay {self.weight_decay:g}" if self.weight_decay else ""
        return f"{self.algorithm} ({self.form}{decay})"


def run_update(optimizer: Optimizer, parameters: Sequence[Tensor], recorder: Recorder) -> None:
    """Run the update of a step that is not the first, so that the optimizer's state exists since before the run.

    Parameters and gradients are replaced by meta tensors that are not recorded, since the originals are. Parameters
    with sparse gradients are left out for SGD. Raises UsageError for Adam, which does not support them.
    """
    sparse = [parameter.grad is not None and parameter.grad.is_sparse for parameter in parameters]
    if any(sparse) and optimizer.algorithm.startswith("adam"):
        raise UsageError(f"{optimizer.algorithm} does not support the sparse gradients of an embedding; use sgd")
    parameters = [parameter for parameter, is_sparse in zip(parameters, sparse, strict=True) if not is_sparse]
    recorder.begin_update()
    states = [[_blank(p) for p in parameters] for _ in range(STATES[optimizer.algorithm])]
    counters = _counters(optimizer, len(parameters))
    for state in (*(tensor for tensors in states for tensor in tensors), *counters):
        recorder.storages.see(state, None if state.is_cpu else "optimizer", since_start=True, is_own=True)
    weights, gradients = ([_blank(p) for p in parameters] for _ in range(2))
    for tensor in (*weights, *gradients):
        recorder.storages.see(tensor, None)
    with torch.no_grad(), recorder:
        if optimizer.algorithm in ("sgd", "momentum"):
            _run_sgd(optimizer, weights, gradients, states)
        else:
            _run_adam(optimizer, weights, gradients, states, counters)


def _blank(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


def _counters(optimizer: Optimizer, count: int) -> list[Tensor]:
    """Return Adam's step counters, one per parameter; they are on the GPU in the fused form only."""
    if not optimizer.algorithm.startswith("adam"):
        return []
    return [torch.ones((), device="meta" if optimizer.form == "fused" else "cpu") for _ in range(count)]


def _run_sgd(optimizer: Optimizer, weights: list[Tensor], gradients: list[Tensor], states: list[list[Tensor]]) -> None:
    buffers: list[Any] = states[0] if states else [None] * len(weights)
    sgd(
        weights,
        gradients,
        buffers,
        has_sparse_grad=False,
        foreach=optimizer.form == "foreach",
        fused=optimizer.form == "fused",
        weight_decay=optimizer.weight_decay,
        momentum=_MOMENTUM if states else 0.0,
        lr=_RATE,
        dampening=0.0,
        nesterov=False,
        maximize=False,
    )


def _run_adam(
    optimizer: Optimizer,
    weights: list[Tensor],
    gradients: list[Tensor],
    states: list[list[Tensor]],
    counters: list[Tensor],
) -> None:
    averages, squares = states
    adam(
        weights,
        gradients,
        averages,
        squares,
        [],
        counters,
        foreach=optimizer.form == "foreach",
        fused=optimizer.form == "fused",
        decoupled_weight_decay=optimizer.algorithm == "adamw",
        amsgrad=False,
        beta1=_BETAS[0],
        beta2=_BETAS[1],
        lr=_RATE,
        weight_decay=optimizer.weight_decay,
        eps=_EPSILON,
        maximize=False,
    )
