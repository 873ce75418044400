"""Fused attention, as it runs on real tensors; on meta tensors the same layers decompose into products."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost

_KERNELS = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
)


@cost(*_KERNELS)
def _attention(query: Tensor, key: Tensor, value: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """MACs: batch x heads x queries x keys x (head size + value size); FLOPs: 2 per MAC, scale 1, softmax 5 per score.

    A causal mask hides scores; that its kernel may skip them is not credited.
    """
    scores = query.shape[:-1].numel() * key.shape[-2]
    macs = scores * (query.shape[-1] + value.shape[-1])
    return Cost(macs, 2 * macs + 6 * scores - 2 * query.shape[:-1].numel())


@cost(*(f"{kernel}_backward" for kernel in _KERNELS))
def _attention_backward(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_args: Any, out: Any, **_: Any
) -> Cost:
    """MACs: five products a score: scores again, and the gradients of values, weights, queries and keys.

    FLOPs: 2 per MAC, 10 per score for softmax, its gradient and the scale.
    """
    scores = query.shape[:-1].numel() * key.shape[-2]
    macs = scores * (3 * query.shape[-1] + 2 * value.shape[-1])
    return Cost(macs, 2 * macs + 10 * scores)


@cost("_native_multi_head_attention")
def _multi_head_attention(
    query: Tensor, key: Tensor, value: Tensor, size: int, heads: int, *_args: Any, out: Any, **_: Any
) -> Cost:
    """MACs: four projections of size x size a token, and queries x keys x size twice; FLOPs: 2 per MAC and the rest.

    The rest: biases 4 per token and size, scale and softmax 6 per score.
    """
    return _projected_attention(query, heads, size)


@cost("_transformer_encoder_layer_fwd")
def _encoder_layer(x: Tensor, size: int, heads: int, *args: Any, out: Any, **_: Any) -> Cost:
    """MACs: attention with its projections and two feed-forward products; FLOPs: 2 per MAC and the rest.

    The rest: as attention, and per token biases, activation, two residual sums and two layer norms (8 an element).
    """
    attention = _projected_attention(x, heads, size)
    tokens, hidden = x.shape[:-1].numel(), args[11].shape[0]
    macs = 2 * tokens * size * hidden
    rest = tokens * (2 * hidden + size + 2 * size + 16 * size)
    return Cost(attention.macs + macs, attention.flops + 2 * macs + rest)


def _projected_attention(x: Tensor, heads: int, size: int) -> Cost:
    tokens, length = x.shape[:-1].numel(), x.shape[-2]
    scores = tokens * length * heads
    macs = 4 * tokens * size * size + 2 * tokens * length * size
    return Cost(macs, 2 * macs + 4 * tokens * size + 6 * scores - 2 * tokens * heads)
