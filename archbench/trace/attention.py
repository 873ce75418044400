"""Scaled dot-product attention as the kernel that torch would run on a device.

torch fuses attention where a kernel takes the tensors, and otherwise runs separate products, which write all scores to
memory. The conditions are those of the installed version: of torch's ATen/native/transformers/cuda/sdp_utils.cpp, in
its order of preference, for a GPU of compute capability 8.0 or later, and of transformers/sdp_utils_cpp.h. Where
cuDNN's kernel would be preferred, its products and memory are those of the flash kernel. That torch pads heads to a
multiple of 8 for the flash kernel is not recorded: the products of the padding are not the model's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Attention = Literal["auto", "fused", "math"]
DeviceKind = Literal["cuda", "cpu"]

_HALF = (torch.float16, torch.bfloat16)
# From this version on the efficient kernel takes grouped heads, keys and values of one head need no flag, and tensors
# of three dimensions get a fourth.
_FUSES_MORE = torch.__version__ >= "2.15"
# The largest head of the flash kernel.
_FLASH_HEAD = 256
# The strides of a mask that the efficient kernel reads are multiples of so many elements.
_MASK_MULTIPLE = 16


@dataclass(slots=True)
class AttentionLog:
    """The kernels that a run used, why attention was not fused where it was not, and whether masks lacked values."""

    kernels: set[str] = field(default_factory=set)
    unfused: set[str] = field(default_factory=set)
    has_unknown_blocks: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    """The arguments of one call of `scaled_dot_product_attention`."""

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    dropout: float
    is_causal: bool
    scale: float | None
    has_groups: bool

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value."""
        return self.query, self.key, self.value


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
        call = _Call(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
        if _FUSES_MORE and all(tensor.dim() == 3 for tensor in call.tensors):
            return self._with_batch(call)
        kernel = self._kernel(call)
        if kernel is None:
            return _separate(call)
        self.log.kernels.add(kernel)
        return _RUN[kernel](call)

    def _with_batch(self, call: _Call) -> Tensor:
        """Return the result for tensors of three dimensions, which get a first one of size 1, as the mask does."""
        query, key, value = (tensor.unsqueeze(0) for tensor in call.tensors)
        mask = call.mask.unsqueeze(0) if call.mask is not None and call.mask.dim() == 3 else call.mask
        return self(query, key, value, mask, call.dropout, call.is_causal, call.scale, call.has_groups).squeeze(0)

    def _kernel(self, call: _Call) -> str | None:
        """Return the name of the kernel that runs, None for separate products."""
        if self._choice == "math":
            return None
        if not all(tensor.is_meta for tensor in call.tensors):
            obstacle = _on_real_data(call)
            name = "cpu"
        elif self.kind == "cpu":
            obstacle, name = _obstacle_on_cpu(call), "cpu"
        elif (obstacle := _obstacle_to_flash(call)) is None:
            name = "flash"
        else:
            obstacle, name = _obstacle_to_efficient(call), "efficient"
        if obstacle is None or (self._choice == "fused" and _common_obstacle(call) is None):
            return name
        self.log.unfused.add(obstacle)
        return None


def _have_four_dimensions(call: _Call) -> bool:
    return all(tensor.dim() == 4 for tensor in call.tensors)


def _common_obstacle(call: _Call) -> str | None:
    """Return what every kernel refuses about the tensors, None if there is nothing.

    Separate products raise torch's own error if the tensors do not fit together.
    """
    query, key, value = call.tensors
    if not _have_four_dimensions(call):
        return f"tensors of {max(tensor.dim() for tensor in call.tensors)} dimensions"
    if not query.dtype == key.dtype == value.dtype:
        return "several dtypes"
    if not query.shape[0] == key.shape[0] == value.shape[0]:
        return "several batch sizes"
    if 0 in (query.shape[2], key.shape[2]):
        return "an empty sequence"
    if query.shape[-1] != key.shape[-1] or key.shape[2] != value.shape[2]:
        return "sizes that do not fit together"
    if not _have_kernels_for_heads(call):
        return "different numbers of heads"
    if call.mask is not None and not _is_valid_mask(call, call.mask):
        return "a mask that does not fit"
    if any(tensor.stride(-1) != 1 and tensor.shape[-1] > 1 for tensor in call.tensors):
        return "a head that is not contiguous"
    return None


def _has_equal_heads(call: _Call) -> bool:
    return call.query.shape[1] == call.key.shape[1] == call.value.shape[1]


def _have_kernels_for_heads(call: _Call) -> bool:
    heads, others = call.query.shape[1], call.key.shape[1]
    if others != call.value.shape[1] or not others or heads % others:
        return False
    return heads == others or call.has_groups or (_FUSES_MORE and others == 1)


def _is_valid_mask(call: _Call, mask: Tensor) -> bool:
    scores = (*call.query.shape[:3], call.key.shape[2])
    sizes = zip(reversed(mask.shape), reversed(scores), strict=False)
    is_broadcast = 2 <= mask.dim() <= 4 and all(size in (1, target) for size, target in sizes)
    return is_broadcast and mask.dtype in (torch.bool, torch.float32, call.query.dtype) and not call.is_causal


def _obstacle_to_flash(call: _Call) -> str | None:
    query, key = call.query, call.key
    if not torch._C._get_flash_sdp_enabled():
        return "kernels disabled by the model"
    if obstacle := _common_obstacle(call):
        return obstacle
    if call.mask is not None:
        return "a mask"
    if query.dtype not in _HALF:
        return f"dtype {_name(query.dtype)}"
    sizes = {tensor.shape[-1] for tensor in call.tensors}
    if len(sizes) > 1 or max(sizes) > _FLASH_HEAD:
        return f"heads of {' and '.join(map(str, sorted(sizes)))}"
    if call.is_causal and query.shape[2] != key.shape[2]:
        return "a causal mask that is not square"
    return None


def _obstacle_to_efficient(call: _Call) -> str | None:
    if not torch._C._get_mem_efficient_sdp_enabled():
        return "kernels disabled by the model"
    if obstacle := _common_obstacle(call):
        return obstacle
    dtype = call.query.dtype
    if dtype not in (torch.float32, *_HALF):
        return f"dtype {_name(dtype)}"
    if not (_FUSES_MORE or _has_equal_heads(call)):
        return f"grouped heads in {_name(dtype)}{'' if call.mask is None else ' with a mask'}"
    multiple = 4 if dtype is torch.float32 else 8
    sizes = sorted({call.query.shape[-1], call.value.shape[-1]})
    if any(size % multiple or not size for size in sizes):
        return f"heads of {' and '.join(map(str, sizes))} in {_name(dtype)}"
    return None


def _obstacle_on_cpu(call: _Call) -> str | None:
    if not torch._C._get_flash_sdp_enabled():
        return "kernels disabled by the model"
    if obstacle := _common_obstacle(call):
        return obstacle
    if call.query.dtype not in (torch.float32, torch.float64, *_HALF):
        return f"dtype {_name(call.query.dtype)}"
    if call.dropout:
        return "dropout"
    if call.mask is not None and call.mask.requires_grad:
        return "a mask that requires a gradient"
    if call.mask is not None and call.mask.dim() == 3:
        return "a mask of 3 dimensions"
    if not call.query.shape[-1] == call.key.shape[-1] == call.value.shape[-1]:
        return "heads of different sizes"
    return None


def _on_real_data(call: _Call) -> str | None:
    """Return why torch's kernel for CPUs, the one that has values everywhere, does not take real tensors."""
    return _obstacle_on_cpu(call) or (None if call.query.device.type == "cpu" else "real data on another device")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _separate(call: _Call) -> Tensor:
    if all(tensor.is_meta for tensor in call.tensors):  # torch checks the arguments and runs separate products there
        made: Tensor = functional.scaled_dot_product_attention(
            *call.tensors, call.mask, call.dropout, call.is_causal, scale=call.scale, enable_gqa=call.has_groups
        )
        return made
    result: Tensor = torch.ops.aten._scaled_dot_product_attention_math(
        *call.tensors, call.mask, call.dropout, call.is_causal, None, scale=call.scale, enable_gqa=call.has_groups
    )[0]
    return result


def _flash(call: _Call) -> Tensor:
    result: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(
        *call.tensors, call.dropout, call.is_causal, scale=call.scale
    )[0]
    return result


def _efficient(call: _Call) -> Tensor:
    needs_sums = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in call.tensors)
    query, key, value = call.tensors
    if not (call.has_groups or _has_equal_heads(call)):  # one head, which the kernel reads as if it were repeated
        key, value = (tensor.expand(-1, query.shape[1], -1, -1) for tensor in (key, value))
    result: Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, _aligned_mask(call), needs_sums, call.dropout, call.is_causal, scale=call.scale
    )[0]
    return result


def _for_cpu(call: _Call) -> Tensor:
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


def _aligned_mask(call: _Call) -> Tensor | None:
    """Return the mask as the efficient kernel takes it: additive, aligned, expanded to all scores."""
    if call.mask is None:
        return None
    mask = _additive(call.mask, call.query.dtype)
    strides = zip(mask.stride()[:-1], mask.shape[:-1], strict=True)
    if any(stride % _MASK_MULTIPLE and size > 1 for stride, size in strides):
        keys = mask.shape[-1]
        mask = functional.pad(mask, (0, -keys % _MASK_MULTIPLE))[..., :keys]
    return mask.expand(*call.query.shape[:3], call.key.shape[2])
