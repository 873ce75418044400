"""Scaled dot-product attention as the kernel that torch would run on a device.

torch fuses attention where a kernel takes the tensors, and otherwise runs separate products, which write all scores to
memory: `archbench.trace.attention_conditions` says when, in torch's order of preference. Where cuDNN's kernel would be
preferred, its products and memory are those of the flash kernel. That torch pads heads to a multiple of 8 for the flash
kernel is not recorded: the products of the padding are not the model's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from archbench.trace.attention_conditions import (
    FUSES_MORE,
    AttentionCall,
    has_equal_heads,
    obstacle_on_cpu,
    obstacle_on_real_data,
    obstacle_to_all,
    obstacle_to_efficient,
    obstacle_to_flash,
)

Attention = Literal["auto", "fused", "math"]
DeviceKind = Literal["cuda", "cpu"]

# The strides of a mask that the efficient kernel reads are multiples of so many elements.
_MASK_MULTIPLE = 16


@dataclass(slots=True)
class AttentionLog:
    """The kernels that a run used, why attention was not fused where it was not, and whether masks lacked values."""

    kernels: set[str] = field(default_factory=set)
    unfused: set[str] = field(default_factory=set)
    has_unknown_blocks: bool = False


class AttentionKernels:
    """Runs attention as `choice` says: `auto` as torch would on a device of `kind`, `fused` or `math` always."""

    def __init__(self, choice: Attention, kind: DeviceKind) -> None:
        self.kind = kind
        self._choice = choice
        self.log = AttentionLog()

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Return the result, with the arguments of `torch.nn.functional.scaled_dot_product_attention`."""
        call = AttentionCall(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
        if FUSES_MORE and all(tensor.dim() == 3 for tensor in call.tensors):
            return self._with_batch(call)
        kernel = self._kernel(call)
        if kernel is None:
            return _separate(call)
        self.log.kernels.add(kernel)
        return _RUN[kernel](call)

    def _with_batch(self, call: AttentionCall) -> Tensor:
        """Return the result for tensors of three dimensions, which get a first one of size 1, as the mask does."""
        query, key, value = (tensor.unsqueeze(0) for tensor in call.tensors)
        mask = call.mask.unsqueeze(0) if call.mask is not None and call.mask.dim() == 3 else call.mask
        return self(query, key, value, mask, call.dropout, call.is_causal, call.scale, call.has_groups).squeeze(0)

    def _kernel(self, call: AttentionCall) -> str | None:
        """Return the name of the kernel that runs, None for separate products."""
        if self._choice == "math":
            return None
        if not all(tensor.is_meta for tensor in call.tensors):
            obstacle = obstacle_on_real_data(call)
            name = "cpu"
        elif self.kind == "cpu":
            obstacle, name = obstacle_on_cpu(call), "cpu"
        elif (obstacle := obstacle_to_flash(call)) is None:
            name = "flash"
        else:
            obstacle, name = obstacle_to_efficient(call), "efficient"
        if obstacle is None or (self._choice == "fused" and obstacle_to_all(call) is None):
            return name
        self.log.unfused.add(obstacle)
        return None


def _separate(call: AttentionCall) -> Tensor:
    if all(tensor.is_meta for tensor in call.tensors):  # torch checks the arguments and runs separate products there
        made: Tensor = functional.scaled_dot_product_attention(
            *call.tensors, call.mask, call.dropout, call.is_causal, scale=call.scale, enable_gqa=call.has_groups
        )
        return made
    result: Tensor = torch.ops.aten._scaled_dot_product_attention_math(
        *call.tensors, call.mask, call.dropout, call.is_causal, None, scale=call.scale, enable_gqa=call.has_groups
    )[0]
    return result


def _flash(call: AttentionCall) -> Tensor:
    result: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(
        *call.tensors, call.dropout, call.is_causal, scale=call.scale
    )[0]
    return result


def _efficient(call: AttentionCall) -> Tensor:
    needs_sums = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in call.tensors)
    query, key, value = call.tensors
    if not (call.has_groups or has_equal_heads(call)):  # one head, which the kernel reads as if it were repeated
        key, value = (tensor.expand(-1, query.shape[1], -1, -1) for tensor in (key, value))
    result: Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, _aligned_mask(call), needs_sums, call.dropout, call.is_causal, scale=call.scale
    )[0]
    return result


def _for_cpu(call: AttentionCall) -> Tensor:
    mask = None if call.mask is None else _additive(call.mask, call.query.dtype)
    result: Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        *call.tensors, 0.0, call.is_causal, attn_mask=mask, scale=call.scale
    )[0]
    return result


_RUN = {"flash": _flash, "efficient": _efficient, "cpu": _for_cpu}


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the mask to add to the scores, as torch converts a boolean mask."""
    if mask.dtype is not torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask.logical_not(), float("-inf"))


def _aligned_mask(call: AttentionCall) -> Tensor | None:
    """Return the mask as the efficient kernel takes it: additive, aligned, expanded to all scores."""
    if call.mask is None:
        return None
    mask = _additive(call.mask, call.query.dtype)
    strides = zip(mask.stride()[:-1], mask.shape[:-1], strict=True)
    if any(stride % _MASK_MULTIPLE and size > 1 for stride, size in strides):
        keys = mask.shape[-1]
        mask = functional.pad(mask, (0, -keys % _MASK_MULTIPLE))[..., :keys]
    return mask.expand(*call.query.shape[:3], call.key.shape[2])
