"""The optimizer's update, run by torch's own code on parameters without data.

torch's optimizer classes load its compiler when one is made, a second of start-up; the functions that they call, which
are public too, do not, and are what is run here.
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

# How many tensors of a parameter's size each algorithm keeps from step to step.
STATES: dict[Algorithm, int] = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
FORMS: tuple[Form, ...] = ("foreach", "fused", "loop")

# Any values: they change neither shapes nor costs. Only a momentum or weight decay of zero would.
_RATE, _MOMENTUM, _BETAS, _EPSILON = 0.1, 0.9, (0.9, 0.999), 1e-8


@dataclass(frozen=True, slots=True)
class Optimizer:
    """What updates the parameters after a backward pass.

    `form` is how torch does it: `foreach`, its default on GPUs, takes all parameters in each operator, `fused` does all
    in one operator, `loop` takes one parameter after the other.
    """

    algorithm: Algorithm
    form: Form = "foreach"
    weight_decay: float = 0.0

    def __str__(self) -> str:
        decay = f", weight decay {self.weight_decay:g}" if self.weight_decay else ""
        return f"{self.algorithm} ({self.form}{decay})"


def run_update(optimizer: Optimizer, parameters: Sequence[Tensor], recorder: Recorder) -> None:
    """Run the update of one of many steps: the states have been there since before the run.

    Sparse gradients are not followed into the update of SGD, and Adam does not take them: UsageError.
    Twins without data stand for the parameters and their gradients, which are counted where they were made.
    """
    is_sparse = [parameter.grad is not None and parameter.grad.is_sparse for parameter in parameters]
    if any(is_sparse) and optimizer.algorithm.startswith("adam"):
        raise UsageError(f"{optimizer.algorithm} does not take the sparse gradients of an embedding; use sgd")
    parameters = [parameter for parameter, sparse in zip(parameters, is_sparse, strict=True) if not sparse]
    recorder.begin_update()
    kept = [[_blank(p) for p in parameters] for _ in range(STATES[optimizer.algorithm])]
    counters = _counters(optimizer, len(parameters))
    for state in (*(tensor for tensors in kept for tensor in tensors), *counters):
        recorder.storages.see(state, None if state.is_cpu else "optimizer", since_start=True)
    twins, gradients = ([_blank(p) for p in parameters] for _ in range(2))
    for twin in (*twins, *gradients):
        recorder.storages.see(twin, None)
    with torch.no_grad(), recorder:
        if optimizer.algorithm in ("sgd", "momentum"):
            _run_sgd(optimizer, twins, gradients, kept)
        else:
            _run_adam(optimizer, twins, gradients, kept, counters)


def _blank(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


def _counters(optimizer: Optimizer, count: int) -> list[Tensor]:
    """Return Adam's counters of steps, one a parameter; on the device only where nothing else reads them."""
    if not optimizer.algorithm.startswith("adam"):
        return []
    return [torch.ones((), device="meta" if optimizer.form == "fused" else "cpu") for _ in range(count)]


def _run_sgd(optimizer: Optimizer, twins: list[Tensor], gradients: list[Tensor], kept: list[list[Tensor]]) -> None:
    buffers: list[Any] = kept[0] if kept else [None] * len(twins)
    sgd(
        twins,
        gradients,
        buffers,
        has_sparse_grad=False,
        foreach=optimizer.form == "foreach",
        fused=optimizer.form == "fused",
        weight_decay=optimizer.weight_decay,
        momentum=_MOMENTUM if kept else 0.0,
        lr=_RATE,
        dampening=0.0,
        nesterov=False,
        maximize=False,
    )


def _run_adam(
    optimizer: Optimizer,
    twins: list[Tensor],
    gradients: list[Tensor],
    kept: list[list[Tensor]],
    counters: list[Tensor],
) -> None:
    averages, squares = kept
    adam(
        twins,
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
