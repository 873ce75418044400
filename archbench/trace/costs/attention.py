"""Fused attention: one operator computes scores, softmax and weighted sums, and keeps no score."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import count

# The number of scores, or their shape.
Scores = int | tuple[int, ...]

ATTENTION_KERNELS = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
)


@cost(*ATTENTION_KERNELS)
def _attention(query: Tensor, key: Tensor, value: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """MACs: batch x heads x queries x keys x (head size + value size); FLOPs: 2 per MAC, scale 1, softmax 5 per score.

    A causal mask hides scores; that its kernel may skip them is not credited.
    """
    return _forward(query, value, (*query.shape[:-1], key.shape[-2]))


@cost("flex_attention", namespace="higher_order")
def _flex_attention(
    query: Tensor, _key: Tensor, value: Tensor, _score_mod: Any, _mask: Any, _scale: float, options: Any, *_: Any,
    out: Any,
) -> Cost:  # fmt: skip
    """MACs: scores in the blocks that the mask keeps x (head size + value size); FLOPs as for other attention.

    What `score_mod` and `mask_mod` compute for each score is not counted.
    """
    return _forward(query, value, options["SCORES"])


def _forward(query: Tensor, value: Tensor, scores: Scores) -> Cost:
    macs = count("{s}·({n} + {v})", s=scores, n=query.shape[-1], v=value.shape[-1])
    return Cost(macs, count("2·{m} + 6·{s} − 2·{r}", m=macs, s=scores, r=query.shape[:-1]))


@cost(*(f"{kernel}_backward" for kernel in ATTENTION_KERNELS))
def _attention_backward(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_args: Any, out: Any, **_: Any
) -> Cost:
    """MACs: four products a score, the gradients of values, weights, queries and keys; the scores are computed again.

    The fifth product, which the kernel repeats because it kept no score, is recomputation. FLOPs: 2 per MAC, also of
    the fifth product, and 10 per score for softmax, its gradient and the scale.
    """
    return _backward(query, value, (*query.shape[:-1], key.shape[-2]))


@cost("flex_attention_backward", namespace="higher_order")
def _flex_attention_backward(query: Tensor, _key: Tensor, value: Tensor, *args: Any, out: Any) -> Cost:
    """MACs: four products for each score in the blocks that the mask keeps; the scores are computed again."""
    options = args[8]
    return _backward(query, value, options["SCORES"])


def _backward(query: Tensor, value: Tensor, scores: Scores) -> Cost:
    size = query.shape[-1]
    macs = count("2·{s}·({n} + {v})", s=scores, n=size, v=value.shape[-1])
    again = count("{s}·{n}", s=scores, n=size)
    return Cost(macs, count("2·({m} + {r}) + 10·{s}", m=macs, r=again, s=scores), recomputed_macs=again)
