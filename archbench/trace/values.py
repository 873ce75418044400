"""Which tensors have values in a run without data: small ones of integers, such as masks, lengths and token ids."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from math import prod
from typing import Any

import torch
from torch import Tensor

from archbench.trace.copying.copier import ObjectCopier
from archbench.trace.pytree import tensors_in

# Elements up to which a tensor keeps its values: ids and masks of 512 sequences of 2,048 tokens.
LARGEST = 1 << 20

# Operators that allocate what others fill. Where there are gradients, floating-point results have no values: they may
# be filled with activations, which have none, and a tensor with values cannot have gradients without.
_ALLOCATING = frozenset(f"aten.{name}{like}" for name in ("empty", "zeros") for like in ("", "_like")) | {
    "aten.empty_strided", "aten.new_empty", "aten.new_empty_strided", "aten.new_zeros", "aten.randn",
}  # fmt: skip

# Dtypes of indices that select the elements where they are not 0.
_MASKS = (torch.bool, torch.uint8)


class NeedsDataError(Exception):
    """The model cannot run on tensors without data; the message names the cause."""


def without_data(tensor: Tensor) -> Tensor:
    """Return what replaces a tensor in a run without data: a meta tensor, or a copy with the values of a small one."""
    return _copy(tensor) if not tensor.is_meta and is_small(tensor) else to_meta(tensor)


def to_meta(tensor: Tensor) -> Tensor:
    """Return a meta tensor of the same shape, strides and dtype; of another layout, a clone with its data.

    Raises NeedsDataError for torch's quantised tensors, which have no kernels without data.
    """
    if tensor.is_quantized:
        raise NeedsDataError("its quantised tensors have no kernels without data")
    if tensor.layout is not torch.strided:
        return tensor.detach().clone()
    if tensor.is_meta and not tensor.is_inference():
        return tensor
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def with_ones(inputs: Any) -> Any:
    """Return a copy of the inputs in which small integer tensors without values are ones; None if there are none."""
    if not any(tensor.is_meta and is_small(tensor) for tensor in tensors_in(inputs)):
        return None
    return ObjectCopier(lambda tensor: _ones(tensor) if tensor.is_meta and is_small(tensor) else tensor).copy(inputs)


def has_values(operator: str, out: Tensor, *, is_backward: bool = False) -> bool:
    """Return whether the result of an operator on tensors with values, or on none, keeps its values."""
    if out.is_floating_point() or out.is_complex():
        has_gradients = is_backward or torch.is_grad_enabled()
        return out.numel() <= LARGEST and not (has_gradients and operator in _ALLOCATING)
    return is_small(out)


def tensor_with_values(*args: Any, **options: Any) -> Tensor:
    """Return what `torch.tensor` returns; on the meta device it would drop the values of a small tensor."""
    made = torch.tensor(*args, **options)
    if made.is_meta and has_values("aten.zeros", made):  # such as a sum that begins at 0
        return torch.tensor(*args, **{**options, "device": "cpu"})
    return made


def is_large(tensors: Sequence[Tensor]) -> bool:
    """Return whether a tensor, or what they all broadcast to, has more elements than keep their values."""
    if len(tensors) == 1:
        return tensors[0].numel() > LARGEST
    sizes = zip_longest(*(reversed(tensor.shape) for tensor in tensors), fillvalue=1)
    return prod(map(max, sizes)) > LARGEST


def is_moved(tensor: Tensor, options: dict[str, Any]) -> bool:
    """Return whether `_to_copy` with these options would only move integers to a device, where all tensors are."""
    return (
        is_small(tensor)
        and options["device"] != tensor.device
        and options.get("dtype") in (None, tensor.dtype)
        and options.get("memory_format") is None
    )


def indices_of_masks(indices: Sequence[Tensor | None]) -> list[Tensor | None] | None:
    """Return `indices` with masks that have values replaced by the indices that they select, or None without masks."""
    masks = {i for i, index in enumerate(indices) if _is_mask(index)}
    if not masks:
        return None
    chosen: list[Tensor | None] = []
    for i, index in enumerate(indices):
        chosen.extend(index.nonzero(as_tuple=True) if index is not None and i in masks else (index,))
    return [index if index is None else to_meta(index) for index in chosen]


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype in _MASKS and not index.is_meta


def is_small(tensor: Tensor) -> bool:
    """Return whether a tensor is one of those that keep their values."""
    is_integer = not (tensor.is_floating_point() or tensor.is_complex() or tensor.is_quantized)
    return is_integer and type(tensor) is Tensor and tensor.layout is torch.strided and tensor.numel() <= LARGEST


def _copy(tensor: Tensor) -> Tensor:
    """Return a copy on the CPU with the same strides, so that its storage has the size of a meta tensor's."""
    made = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    # Elements that an expanded dimension repeats are stored, and written, once.
    index = tuple(slice(None) if stride else slice(1) for stride in tensor.stride())
    made[index].copy_(tensor[index])
    return made


def _ones(tensor: Tensor) -> Tensor:
    return torch.ones(tensor.shape, dtype=tensor.dtype)
