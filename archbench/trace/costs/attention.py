"""Fused attention, as on real tensors; on meta tensors the same layers decompose into products."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import count

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
    scores = (*query.shape[:-1], key.shape[-2])
    macs = count("{s}·({n} + {v})", s=scores, n=query.shape[-1], v=value.shape[-1])
    return Cost(macs, count("2·{m} + 6·{s} − 2·{r}", m=macs, s=scores, r=query.shape[:-1]))


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
