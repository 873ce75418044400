"""The inputs of a model at another size of its images or another length of its sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from archbench.errors import InputError
from archbench.trace.pytree import map_tensors, tensors_in
from archbench.units import format_dimensions


def with_size(inputs: Any, size: int) -> Any:
    """Return the inputs with square images: `size` in the last two dimensions, on the meta device.

    The first tensor of at least four dimensions, batch included, is the image; others as large as it change with it.
    Raises InputError if there is none.
    """
    image = _first(inputs, lambda tensor: tensor.dim() >= 4)
    if image is None:
        raise InputError(f"it takes no images, such as 3x224x224, but {_shapes(inputs)}")

    def resized(tensor: Tensor) -> Tensor:
        if tensor.dim() < 4 or tensor.shape[-2:] != image.shape[-2:]:
            return tensor
        return _empty(tensor, (*tensor.shape[:-2], size, size))

    return map_tensors(inputs, resized)


def with_length(inputs: Any, length: int) -> Any:
    """Return the inputs with sequences of another length, on the meta device.

    The first tensor of shape (batch, length) that is not floating-point or (batch, length, features) is the sequence;
    others whose second dimension agrees, such as masks, change with it. Raises InputError if there is none.
    """
    sequence = _first(inputs, _is_sequence)
    if sequence is None:
        raise InputError(f"it takes no sequences, such as 128:int64 or 128x512, but {_shapes(inputs)}")

    def resized(tensor: Tensor) -> Tensor:
        if tensor.dim() < 2 or tensor.shape[1] != sequence.shape[1]:
            return tensor
        return _empty(tensor, (tensor.shape[0], length, *tensor.shape[2:]))

    return map_tensors(inputs, resized)


def _is_sequence(tensor: Tensor) -> bool:
    return tensor.dim() == 3 or (tensor.dim() == 2 and not tensor.is_floating_point())


def _first(inputs: Any, has_dimension: Callable[[Tensor], bool]) -> Tensor | None:
    return next((tensor for tensor in tensors_in(inputs) if not tensor.is_nested and has_dimension(tensor)), None)


def _empty(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        return torch.empty(shape, dtype=tensor.dtype, device="meta", requires_grad=tensor.requires_grad)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{format_dimensions(shape)} is too large for a tensor") from error


def _shapes(inputs: Any) -> str:
    shapes = [format_dimensions(tensor.shape[1:]) for tensor in tensors_in(inputs) if not tensor.is_nested]
    return ", ".join(shapes) or "no tensors"
