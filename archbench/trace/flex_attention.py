"""`flex_attention` as the one kernel that torch.compile makes of it.

Without the compiler it would compute and keep all scores, and torch refuses tensors without data. Here its higher-order
operator is recorded like an ATen operator, with the number of scores: those of the blocks that a BlockMask keeps if its
tensors have values, otherwise all.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._higher_order_ops.flex_attention import flex_attention as forward_kernel
from torch._higher_order_ops.flex_attention import flex_attention_backward as backward_kernel
from torch.overrides import TorchFunctionMode

from archbench.trace.attention import AttentionLog
from archbench.trace.pytree import tensors_in


@dataclass(frozen=True, slots=True)
class _Call:
    """What the kernels of one call take beside the tensors; `options["SCORES"]` is for their cost."""

    score_mod: Callable[..., Tensor]
    block_mask: tuple[Any, ...]
    scale: float
    options: dict[str, Any]


def flex_attention(
    log: AttentionLog,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Callable[..., Tensor] | None = None,
    block_mask: Any = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,  # noqa: ARG001  # of the generated code
    *,
    return_aux: Any = None,
) -> Any:
    """Return the result, with the arguments of `torch.nn.attention.flex_attention.flex_attention`, and note it."""
    _check(query, key, value, has_groups=enable_gqa)
    wants_sums = return_lse or (return_aux is not None and return_aux.lse)
    wants_maxima = return_aux is not None and return_aux.max_scores
    scores = _kept_scores(query, key, block_mask)
    log.kernels.add("flex")
    log.has_unknown_blocks |= scores is None
    call = _Call(
        score_mod=(lambda score, *_: score) if score_mod is None else (lambda *args: score_mod(*args[:5])),
        block_mask=(_keep_all,) if block_mask is None else block_mask.as_tuple(),
        scale=query.shape[-1] ** -0.5 if scale is None else scale,
        options={
            "SCORES": (*query.shape[:3], key.shape[2]) if scores is None else scores,
            "OUTPUT_LOGSUMEXP": wants_sums or torch.is_grad_enabled(),
            "OUTPUT_MAX": wants_maxima,
        },
    )
    captured = () if score_mod is None else _captured(score_mod, query.dtype)
    out, sums, maxima = _Kernels.apply(call, query, key, value, *captured)
    if return_aux is not None:  # the kernel computes with powers of 2
        auxiliary: Any = sys.modules["torch.nn.attention.flex_attention"]
        return out, auxiliary.AuxOutput(
            lse=sums * math.log(2) if wants_sums else None, max_scores=maxima * math.log(2) if wants_maxima else None
        )
    return (out, sums * math.log(2)) if return_lse else out


def _check(query: Tensor, key: Tensor, value: Tensor, *, has_groups: bool) -> None:
    """Raise ValueError for shapes that torch refuses too; its own checks refuse tensors without data."""
    if not query.dim() == key.dim() == value.dim() == 4:
        raise ValueError("flex_attention takes tensors of 4 dimensions")
    heads, groups = query.shape[1], key.shape[1]
    if heads != groups and not (has_groups and heads % groups == 0):
        raise ValueError(
            f"flex_attention takes equal numbers of heads, or a multiple with enable_gqa: {heads}, {groups}"
        )
    if query.shape[-1] != key.shape[-1] or key.shape[1:3] != value.shape[1:3]:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (query, key, value))
        raise ValueError(f"flex_attention takes query, key and value that match, not {shapes}")


def _pass_on(
    _score: Tensor, _batch: Tensor, _head: Tensor, _query: Tensor, _key: Tensor, gradient: Tensor, *_: Any
) -> Any:
    """Return the gradients of a score and its indexes as if `score_mod` only added to it: no value of one is used."""
    return [gradient, None, None, None, None]


def _keep_all(_batch: Tensor, _head: Tensor, query: Tensor, _key: Tensor) -> Tensor:
    return query.new_ones((), dtype=torch.bool)


def _kept_scores(query: Tensor, key: Tensor, block_mask: Any) -> int | tuple[int, ...] | None:
    """Return the number of scores that the kernel computes, as a shape if it computes all, None if it is not known."""
    shape = (*query.shape[:3], key.shape[2])
    if block_mask is None:
        return shape
    counts = [tensor for tensor in (block_mask.kv_num_blocks, block_mask.full_kv_num_blocks) if tensor is not None]
    if any(tensor.is_meta for tensor in counts):
        return None
    with torch._C._DisableTorchDispatch():
        blocks = sum(int(tensor.sum()) for tensor in counts)
    batches, heads = counts[0].shape[:2]
    kept = blocks * prod(block_mask.BLOCK_SIZE) * (query.shape[0] // batches) * (query.shape[1] // heads)
    return kept if kept < prod(shape) else shape  # blocks at the end reach beyond the sequence


class _Reads(TorchFunctionMode):
    """Collects the tensors that functions read and did not make, apart from `own`."""

    def __init__(self, own: tuple[Tensor, ...]) -> None:
        super().__init__()
        self._own = {id(tensor): tensor for tensor in own}
        self.tensors: dict[int, Tensor] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.tensors.update((id(read), read) for read in tensors_in((args, kwargs)) if id(read) not in self._own)
        result = func(*args, **(kwargs or {}))
        self._own.update((id(made), made) for made in tensors_in(result))
        return result


def _captured(score_mod: Callable[..., Tensor], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Return the tensors that `score_mod` reads, such as a learned bias, by running it for the first score."""
    # Scalars with values may be indexes; where the others have none, an operator may refuse to mix them.
    with torch._C._DisableTorchDispatch(), torch.no_grad(), suppress(RuntimeError):
        first = (torch.zeros((), dtype=dtype), *(torch.zeros((), dtype=torch.int32) for _ in range(4)))
        with _Reads(first) as reads:
            score_mod(*first)
    return tuple(reads.tensors.values())


class _Kernels(torch.autograd.Function):
    """The kernels of the forward and backward pass."""

    @staticmethod
    def forward(
        ctx: Any, call: _Call, query: Tensor, key: Tensor, value: Tensor, *captured: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        with torch._C._AutoDispatchBelowAutograd():
            out, sums, maxima = forward_kernel(
                query, key, value, call.score_mod, call.block_mask, call.scale, call.options, captured, ()
            )
        ctx.call = call
        ctx.mark_non_differentiable(maxima)
        ctx.save_for_backward(query, key, value, out, sums, *captured)
        return out, sums, maxima

    @staticmethod
    def backward(ctx: Any, into_out: Any, into_sums: Any, _into_maxima: Any) -> tuple[Tensor | None, ...]:
        query, key, value, out, sums, *captured = ctx.saved_tensors
        call = ctx.call
        joint: Any = _pass_on
        with torch._C._AutoDispatchBelowAutograd():
            *into, _ = backward_kernel(
                query, key, value, out, sums, into_out, into_sums, call.score_mod, joint, call.block_mask,
                call.scale, call.options, (), (),
            )  # fmt: skip
        # The kernel adds to zeros what flows into the tensors that score_mod reads.
        learned = zip(captured, ctx.needs_input_grad[4:], strict=True)
        return None, *into, *(torch.zeros_like(tensor) if is_needed else None for tensor, is_needed in learned)
