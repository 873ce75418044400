"""Operators of bitsandbytes, which are defined here by their schemas if it is not installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from archbench.trace.records import Operation
from tests.helpers.costs import cost, operations

OPERATORS = torch.ops.bitsandbytes
SCHEMAS = {
    "gemm_4bit": "(Tensor A, Tensor B, int[] shapeB, Tensor absmax, int blocksize, str quant_type, Tensor? bias=None)",
    "gemv_4bit": "(Tensor A, Tensor B, int[] shapeB, Tensor absmax, Tensor code, int blocksize)",
    "int8_linear_matmul": "(Tensor A, Tensor B)",
    "int8_scaled_mm": "(Tensor A, Tensor B, Tensor row_stats, Tensor col_stats, Tensor? bias=None)",
    "int8_mm_dequant": "(Tensor A, Tensor row_stats, Tensor col_stats)",
    "int8_vectorwise_quant": "(Tensor A)",
    "int8_vectorwise_dequant": "(Tensor A, Tensor stats)",
    "dequantize_4bit": "(Tensor A, Tensor absmax, int blocksize, str quant_type, int[] shape, ScalarType dtype)",
    "dequantize_blockwise": "(Tensor A, Tensor absmax, Tensor code, int blocksize, ScalarType dtype)",
}
if find_spec("bitsandbytes") is None:
    for name, schema in SCHEMAS.items():
        torch.library.define(f"bitsandbytes::{name}", f"{schema} -> Tensor")
        # The results' shapes do not matter here.
        torch.library.impl(f"bitsandbytes::{name}", "Meta")(lambda x, *_args, **_: torch.empty_like(x))
else:
    import bitsandbytes  # noqa: F401


# A weight of 8 x 64 in 256 bytes, 5 rows of 64.
X, PACKED, SHAPE, SCALES, CODE, BIAS = (5, 64), (256, 1), [8, 64], (8,), (16,), (8,)
CASES = {
    # name: (function, input shapes, MACs, FLOPs): a scale for each of 512 weights, 2 for each of 40 results.
    "4 bits": (
        lambda x, w, s, b: OPERATORS.gemm_4bit(x, w, SHAPE, s, 64, "nf4", b), [X, PACKED, SCALES, BIAS],
        5 * 512, 2 * 5 * 512 + 512 + 40,
    ),
    "4 bits, without bias": (
        lambda x, w, s: OPERATORS.gemm_4bit(x, w, SHAPE, s, 64, "nf4"), [X, PACKED, SCALES],
        5 * 512, 2 * 5 * 512 + 512,
    ),
    "4 bits, one row": (
        lambda x, w, s, c: OPERATORS.gemv_4bit(x, w, SHAPE, s, c, 64), [(1, 64), PACKED, SCALES, CODE],
        512, 2 * 512 + 512,
    ),
    "8 bits": (lambda x, w: OPERATORS.int8_linear_matmul(x, w), [X, (8, 64)], 5 * 512, 2 * 5 * 512),
    "8 bits, scaled": (
        lambda x, w, r, c, b: OPERATORS.int8_scaled_mm(x, w, r, c, b), [X, (8, 64), (5,), (8,), BIAS],
        5 * 512, 2 * 5 * 512 + 3 * 40,
    ),
    "scaling": (lambda x, r, c: OPERATORS.int8_mm_dequant(x, r, c), [(5, 8), (5,), (8,)], 0, 2 * 40),
    "quantising": (lambda x: OPERATORS.int8_vectorwise_quant(x), [X], 0, 4 * 320),
    "dequantising 8 bits": (lambda x, s: OPERATORS.int8_vectorwise_dequant(x, s), [X, (5,)], 0, 320),
    "dequantising 4 bits": (
        lambda w, s: OPERATORS.dequantize_4bit(w, s, 64, "nf4", SHAPE, torch.float32), [PACKED, SCALES], 0, 512,
    ),
    "dequantising blocks": (
        lambda x, s, c: OPERATORS.dequantize_blockwise(x, s, c, 64, torch.float32), [(8, 64), SCALES, CODE], 0, 512,
    ),
}  # fmt: skip


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="its own operators check dtypes")
@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_its_arithmetic_says(name):
    function, shapes, macs, flops = CASES[name]
    assert cost(function, *shapes) == (macs, flops)
    assert all(isinstance(operation, Operation) and operation.counted for operation in operations(function, *shapes))
