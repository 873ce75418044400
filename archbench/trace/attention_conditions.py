"""The conditions under which torch runs attention as one kernel.

They are those of the installed version: of torch's ATen/native/transformers/cuda/sdp_utils.cpp for a GPU of compute
capability 8.0 or later, and of transformers/sdp_utils_cpp.h. Each function returns the reason why a kernel does not
run, None if it does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_HALF = (torch.float16, torch.bfloat16)
# From this version on the efficient kernel takes grouped heads, keys and values of one head need no flag, and tensors
# of three dimensions get a fourth.
FUSES_MORE = torch.__version__ >= "2.15"
# The largest head of the flash kernel.
_FLASH_HEAD = 256


@dataclass(frozen=True, slots=True)
class AttentionCall:
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


def _have_four_dimensions(call: AttentionCall) -> bool:
    return all(tensor.dim() == 4 for tensor in call.tensors)


def obstacle_to_all(call: AttentionCall) -> str | None:
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


def has_equal_heads(call: AttentionCall) -> bool:
    """Return whether queries, keys and values have as many heads."""
    return call.query.shape[1] == call.key.shape[1] == call.value.shape[1]


def _have_kernels_for_heads(call: AttentionCall) -> bool:
    heads, others = call.query.shape[1], call.key.shape[1]
    if others != call.value.shape[1] or not others or heads % others:
        return False
    return heads == others or call.has_groups or (FUSES_MORE and others == 1)


def _is_valid_mask(call: AttentionCall, mask: Tensor) -> bool:
    scores = (*call.query.shape[:3], call.key.shape[2])
    sizes = zip(reversed(mask.shape), reversed(scores), strict=False)
    is_broadcast = 2 <= mask.dim() <= 4 and all(size in (1, target) for size, target in sizes)
    return is_broadcast and mask.dtype in (torch.bool, torch.float32, call.query.dtype) and not call.is_causal


def obstacle_to_flash(call: AttentionCall) -> str | None:
    """Return why the flash kernel on a GPU does not run."""
    query, key = call.query, call.key
    if not torch._C._get_flash_sdp_enabled():
        return "kernels disabled by the model"
    if obstacle := obstacle_to_all(call):
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


def obstacle_to_efficient(call: AttentionCall) -> str | None:
    """Return why the memory-efficient kernel on a GPU does not run."""
    if not torch._C._get_mem_efficient_sdp_enabled():
        return "kernels disabled by the model"
    if obstacle := obstacle_to_all(call):
        return obstacle
    dtype = call.query.dtype
    if dtype not in (torch.float32, *_HALF):
        return f"dtype {_name(dtype)}"
    if not (FUSES_MORE or has_equal_heads(call)):
        return f"grouped heads in {_name(dtype)}{'' if call.mask is None else ' with a mask'}"
    multiple = 4 if dtype is torch.float32 else 8
    sizes = sorted({call.query.shape[-1], call.value.shape[-1]})
    if any(size % multiple or not size for size in sizes):
        return f"heads of {' and '.join(map(str, sizes))} in {_name(dtype)}"
    return None


def obstacle_on_cpu(call: AttentionCall) -> str | None:
    """Return why the kernel for CPUs does not run."""
    if not torch._C._get_flash_sdp_enabled():
        return "kernels disabled by the model"
    if obstacle := obstacle_to_all(call):
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


def obstacle_on_real_data(call: AttentionCall) -> str | None:
    """Return why torch's kernel for CPUs, the one that has values everywhere, does not take real tensors."""
    return obstacle_on_cpu(call) or (None if call.query.device.type == "cpu" else "real data on another device")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
