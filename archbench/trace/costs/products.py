"""Convolutions and matrix products."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from archbench.trace.costs.common import product
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.sparse import sparse_macs
from archbench.trace.costs.symbolic import Count, count


@cost("convolution")
def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    *_: Any,
    out: Tensor,
) -> Cost:
    """MACs: output elements x input channels per group x kernel elements; FLOPs: 2 per MAC, 1 per bias add.

    Transposed, each *input* element meets every kernel element and output channel of its group instead.
    """
    macs = count("{o}·{n}", o=(x if transposed else out).shape, n=prod(weight.shape[1:]))
    return product(out, macs, 0 if bias is None else out.numel())


@cost("mm", "bmm", "mv", "_int_mm")
def _matmul(a: Tensor, b: Tensor, *, out: Tensor) -> Cost:
    """MACs: rows x inner size x columns (x batch); FLOPs: 2 per MAC. Of a sparse matrix only what is stored counts."""
    return product(out, _macs(a, b, out))


@cost("addmm", "addmv", "baddbmm", "_addmm_activation")
def _add_matmul(added: Tensor, a: Tensor, b: Tensor, *, out: Tensor, **_: Any) -> Cost:
    """MACs as the product alone; FLOPs: 2 per MAC, 1 per element of the result for the addition."""
    return product(out, _macs(a, b, out), out.numel())


def _macs(a: Tensor, b: Tensor, out: Tensor) -> Count:
    if a.layout is torch.strided and b.layout is torch.strided:
        return count("{o}·{n}", o=out.shape, n=a.shape[-1])
    return sparse_macs(a, b)


@cost("addbmm")
def _add_batched_matmul(added: Tensor, a: Tensor, b: Tensor, *, out: Tensor, **_: Any) -> Cost:
    """MACs: batch x rows x inner size x columns; FLOPs: 2 per MAC, 1 per element of the result for the addition."""
    return product(out, count("{o}·{b}·{n}", o=out.shape, b=a.shape[0], n=a.shape[-1]), out.numel())


@cost("dot", "vdot")
def _dot(a: Tensor, b: Tensor, *, out: Tensor) -> Cost:
    """MACs: length; FLOPs: 2 per MAC."""
    return product(out, count("{n}", n=a.shape))


@cost("addr")
def _add_outer(added: Tensor, a: Tensor, b: Tensor, *, out: Tensor, **_: Any) -> Cost:
    """MACs: elements of the result (an inner size of 1); FLOPs: 2 per MAC."""
    return product(out, count("{o}", o=out.shape))


@cost("_trilinear")
def _trilinear(
    a: Tensor, b: Tensor, c: Tensor, expand_a: Any, expand_b: Any, expand_c: Any, summed: Any, *_: Any, out: Tensor
) -> Cost:
    """MACs: the product of the first two, and that of its sum with the third, as torch computes bilinear layers.

    For a bilinear layer, batch x out x (in1 x in2 + in2); FLOPs 2 per MAC.
    """
    sizes = [max(n) for n in zip(*map(_expanded, (a, b, c), (expand_a, expand_b, expand_c)), strict=True)]
    kept = [size for dim, size in enumerate(sizes) if not (dim in summed and dim in expand_c)]
    return product(out, count("{p} + {q}", p=tuple(sizes), q=tuple(kept)))


def _expanded(tensor: Tensor, dims: Any) -> list[int]:
    sizes = list(tensor.shape)
    for dim in sorted(dims):
        sizes.insert(dim, 1)
    return sizes


@cost("affine_grid_generator")
def _affine_grid(theta: Tensor, *_args: Any, out: Tensor) -> Cost:
    """MACs: 3 per coordinate in 2 dimensions, 4 in 3: each is a row of the matrix times a homogeneous position."""
    return product(out, count("{o}·{n}", o=out.shape, n=theta.shape[-1]))


@cost("conv_tbc")
def _conv_tbc(x: Tensor, weight: Tensor, bias: Tensor, *_: Any, out: Tensor) -> Cost:
    """MACs: output elements x kernel elements x input channels; FLOPs: 2 per MAC, 1 per bias add."""
    return product(out, count("{o}·{n}", o=out.shape, n=prod(weight.shape[:2])), out.numel())


@cost("convolution_backward")
def _convolution_backward(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int, wanted: Any, *, out: Any,
) -> Cost:  # fmt: skip
    """MACs: as forward for each of the input's and the weight's gradient; FLOPs: 2 per MAC, and the bias's sums.

    Only those that are wanted count: the first layer's input needs none, a frozen weight neither.
    """
    macs = (x if transposed else grad).numel() * prod(weight.shape[1:])
    bias_additions = grad.numel() - grad.shape[1] if wanted[2] else 0
    return product(grad, macs * (wanted[0] + wanted[1]), bias_additions)
