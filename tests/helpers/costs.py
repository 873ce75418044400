"""Count the operators that one function runs."""

from __future__ import annotations

import torch

from archbench.trace.tracer import trace
from tests.helpers.models import Call


def operations(function, *inputs):
    """Return what ran on tensors or on shapes, views and allocations left out."""
    found = trace(Call(function), tuple(map(without_data, inputs))).operations
    return [operation for operation in found if not operation.is_free]


def without_data(tensor_or_shape):
    """Return a tensor as it is, for a shape one on the meta device."""
    if isinstance(tensor_or_shape, torch.Tensor):
        return tensor_or_shape
    return torch.empty(tensor_or_shape, device="meta")


def on_values(function):
    """Return the function with a read of its first argument, which makes it run on real data."""

    def reading(x, *args):
        x.flatten()[0].item()
        return function(x, *args)

    return reading


def cost(function, *inputs):
    """Return the MACs and FLOPs of what ran on tensors or on shapes, all of which must have a rule."""
    found = operations(function, *inputs)
    assert [operation.name for operation in found if not operation.counted] == []
    return sum(operation.macs for operation in found), sum(operation.flops for operation in found)


def operations_in_training(function, *shapes):
    """Return what ran forward and backward with a gradient for every input."""
    inputs = tuple(torch.empty(shape, device="meta", requires_grad=True) for shape in shapes)
    found = trace(Call(function), inputs, mode="train").operations
    return [operation for operation in found if not operation.is_free]


def backward_flops(function, *shapes):
    """Return the FLOPs of the backward pass with a gradient for every input; all of it must have a rule."""
    found = [operation for operation in operations_in_training(function, *shapes) if operation.is_backward]
    assert [operation.name for operation in found if not operation.counted] == []
    return sum(operation.flops for operation in found)
