"""A model of a library with its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Case:
    """A model to count: how it is built, and its inputs for a number of samples.

    Inputs are what `archbench.summarize` takes. Images are on the meta device; integers, whose values matter, are not.
    `training_inputs` are those of training, where they differ. `modes` are those in which the model can be called.
    """

    library: str
    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[int], Any]
    training_inputs: Callable[[int], Any] | None = None
    modes: tuple[str, ...] = ("eval", "train")

    def inputs_for(self, mode: str, batch: int) -> Any:
        """Return the inputs in a mode."""
        return (self.training_inputs if mode == "train" and self.training_inputs else self.inputs)(batch)


def image(batch: int, *sizes: int) -> Tensor:
    """Return a batch of images, or of other floating-point inputs, without data."""
    return torch.empty(batch, *sizes, device="meta")


def tokens(batch: int, length: int) -> Tensor:
    """Return token ids; they are small, and none stands for padding in usual vocabularies."""
    return (torch.arange(batch * length) % 40 + 5).view(batch, length)
