"""Find the last layer of a model, and replace it by one for another number of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from archbench.trace.records import Trace


@dataclass(frozen=True, slots=True)
class Head:
    """The convolution or linear layer that ran last: its dotted name, its type and its number of outputs."""

    name: str
    type: str
    num_outputs: int


def find_head(model: nn.Module, record: Trace) -> Head | None:
    """Return the last convolution or linear layer of `model` that ran in a trace; None if there is none."""
    for operation in reversed(record.operations):
        layer = record.layers[operation.layer]
        if not operation.is_backward and layer.path != ".":
            num_outputs = _num_outputs(model.get_submodule(layer.path))
            if num_outputs is not None:
                return Head(layer.path, layer.type, num_outputs)
    return None


def num_outputs_of(model: nn.Module, name: str) -> int | None:
    """Return the number of outputs of the convolution or linear layer of that name, None if there is no such layer."""
    return _num_outputs(dict(model.named_modules()).get(name))


def replace_head(model: nn.Module, name: str, num_classes: int) -> None:
    """Replace the layer of that name by one of the same type with another number of outputs."""
    layer = model.get_submodule(name)
    with torch.device(next(layer.parameters()).device):
        model.set_submodule(name, _like(layer, num_classes))


def _num_outputs(layer: nn.Module | None) -> int | None:
    if isinstance(layer, nn.Linear):
        return layer.out_features
    return layer.out_channels if isinstance(layer, nn.Conv2d) else None


def _like(layer: nn.Module, num_outputs: int) -> nn.Module:
    """Return such a layer with another number of outputs, freshly initialised; a convolution has a single group."""
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, num_outputs, layer.bias is not None, dtype=layer.weight.dtype)
    assert isinstance(layer, nn.Conv2d), "a head is linear or a convolution"
    return nn.Conv2d(
        layer.in_channels,
        num_outputs,
        cast(tuple[int, int], layer.kernel_size),
        cast(tuple[int, int], layer.stride),
        cast("str | tuple[int, int]", layer.padding),
        cast(tuple[int, int], layer.dilation),
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
        dtype=layer.weight.dtype,
    )
