"""Operators of bitsandbytes (0.50), on weights of 8 and 4 bits. They count as their floating-point forms."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from archbench.trace.costs.common import product
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.symbolic import count


@cost("gemm_4bit", namespace="bitsandbytes")
def _packed_matmul(
    x: Tensor, packed: Tensor, shape: Any, scales: Any, blocksize: int, kind: str, bias: Any = None, *_: Any,
    out: Any, **__: Any,
) -> Cost:  # fmt: skip
    """MACs: rows x inner size x columns; FLOPs: 2 per MAC, 1 per weight for its scale, 1 per bias add."""
    results = _rows(x) * shape[0]
    return product(x, count("{o}·{n}", o=results, n=shape[1]), prod(shape) + (0 if bias is None else results))


@cost("gemv_4bit", namespace="bitsandbytes")
def _packed_vector_product(x: Tensor, packed: Tensor, shape: Any, *_: Any, out: Any) -> Cost:
    """MACs: rows x inner size x columns; FLOPs: 2 per MAC, 1 per weight for its scale."""
    return product(x, count("{o}·{n}", o=_rows(x) * shape[0], n=shape[1]), prod(shape))


@cost("int8_linear_matmul", namespace="bitsandbytes")
def _matmul(x: Tensor, weight: Tensor, *_: Any, out: Any) -> Cost:
    """MACs: rows x inner size x columns; FLOPs: 2 per MAC."""
    return product(x, count("{o}·{n}", o=_rows(x) * weight.shape[0], n=weight.shape[1]))


@cost("int8_scaled_mm", namespace="bitsandbytes")
def _scaled_matmul(
    x: Tensor, weight: Tensor, row_scales: Any, column_scales: Any, bias: Any = None, *_: Any, out: Any, **__: Any
) -> Cost:
    """MACs: rows x inner size x columns; FLOPs: 2 per MAC, 2 per result for its scales, 1 per bias add."""
    results = _rows(x) * weight.shape[0]
    return product(x, count("{o}·{n}", o=results, n=weight.shape[1]), results * (2 if bias is None else 3))


@cost("int8_mm_dequant", namespace="bitsandbytes")
def _scale(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 2 per element: the scales of its row and of its column."""
    return Cost(flops=2 * x.numel())


@cost("int8_vectorwise_quant", namespace="bitsandbytes")
def _quantize(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 4 per element: magnitude, maximum, scale, rounding."""
    return Cost(flops=4 * x.numel())


@cost("dequantize_4bit", namespace="bitsandbytes")
def _dequantize_packed(
    packed: Tensor, scales: Tensor, blocksize: int, kind: str, shape: Any, *_args: Any, out: Any, **_: Any
) -> Cost:
    """FLOPs: 1 per value: its scale."""
    return Cost(flops=prod(shape))


@cost("dequantize_blockwise", "int8_vectorwise_dequant", namespace="bitsandbytes")
def _dequantize(x: Tensor, *_args: Any, out: Any, **_: Any) -> Cost:
    """FLOPs: 1 per value: its scale."""
    return Cost(flops=x.numel())


def _rows(x: Tensor) -> int:
    return prod(x.shape[:-1])
