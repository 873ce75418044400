"""Operators of detectors: pooling of regions, deformable convolution, suppression of boxes.

The sizes of boxes are values. Where they decide, a box counts as large as the feature map, which is a bound for boxes
inside it.
"""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from archbench.trace.costs.common import first
from archbench.trace.costs.registry import Cost, cost
from archbench.trace.costs.selection import sorting_comparisons


@cost("roi_align", namespace="torchvision")
def _roi_align(
    x: Tensor, boxes: Tensor, scale: float, height: int, width: int, ratio: int, aligned: bool = False, *, out: Tensor
) -> Cost:
    """FLOPs: 8 per output and sample (bilinear 7, sum), 6 per sample's place; `sampling_ratio` squared samples.

    If that is not positive, torchvision takes a sample for each cell of the box; here of a box as large as the map.
    """
    return Cost(flops=_aligned(x.shape, out, height, width, ratio))


@cost("_roi_align_backward", namespace="torchvision")
def _roi_align_backward(
    grad: Tensor, boxes: Tensor, scale: float, height: int, width: int, batch: int, channels: int, rows: int,
    columns: int, ratio: int, aligned: bool = False, *, out: Tensor,
) -> Cost:  # fmt: skip
    """FLOPs: 8 per gradient and sample (a product and an addition for 4 neighbours), 6 per sample's place."""
    return Cost(flops=_aligned((rows, columns), grad, height, width, ratio))


@cost("ps_roi_align", namespace="torchvision")
def _ps_roi_align(x: Tensor, boxes: Tensor, scale: float, height: int, width: int, ratio: int, *, out: Any) -> Cost:
    """FLOPs: 8 per output and sample (bilinear 7, sum), 6 per sample's place; samples as in `roi_align`."""
    return Cost(flops=_aligned(x.shape, first(out), height, width, ratio))


@cost("_ps_roi_align_backward", namespace="torchvision")
def _ps_roi_align_backward(
    grad: Tensor, boxes: Tensor, mapping: Tensor, scale: float, height: int, width: int, ratio: int, batch: int,
    channels: int, rows: int, columns: int, *, out: Tensor,
) -> Cost:  # fmt: skip
    """FLOPs: 8 per gradient and sample (a product and an addition for 4 neighbours), 6 per sample's place."""
    return Cost(flops=_aligned((rows, columns), grad, height, width, ratio))


@cost("roi_pool", namespace="torchvision")
def _roi_pool(x: Tensor, boxes: Tensor, *_args: Any, out: Any) -> Cost:
    """FLOPs: 1 comparison per channel and cell of each box, as large as the map."""
    return Cost(flops=boxes.shape[0] * prod(x.shape[1:]))


@cost("ps_roi_pool", namespace="torchvision")
def _ps_roi_pool(x: Tensor, boxes: Tensor, scale: float, height: int, width: int, *, out: Any) -> Cost:
    """FLOPs: 1 addition per output channel and cell of each box, as large as the map, 1 division per output."""
    pooled = first(out)
    return Cost(flops=pooled.shape[0] * pooled.shape[1] * prod(x.shape[2:]) + pooled.numel())


@cost("_roi_pool_backward", namespace="torchvision")
def _roi_pool_backward(grad: Tensor, *_args: Any, out: Tensor) -> Cost:
    """FLOPs: 1 addition per gradient that is put back."""
    return Cost(flops=grad.numel())


@cost("_ps_roi_pool_backward", namespace="torchvision")
def _ps_roi_pool_backward(
    grad: Tensor, boxes: Tensor, mapping: Tensor, scale: float, height: int, width: int, batch: int, channels: int,
    rows: int, columns: int, *, out: Tensor,
) -> Cost:  # fmt: skip
    """FLOPs: 1 addition per output channel and cell of each box, as large as the map, 1 division per gradient."""
    return Cost(flops=grad.shape[0] * grad.shape[1] * rows * columns + grad.numel())


@cost("nms", namespace="torchvision")
def _nms(boxes: Tensor, scores: Tensor, threshold: float, *, out: Tensor) -> Cost:
    """FLOPs: 13 per pair of boxes (overlap 7, union 2, quotient and comparison, 2 edges), 3 per area, and the sort.

    All n(n - 1)/2 pairs count; those of boxes that were suppressed before are skipped. The sort is that of `aten.sort`.
    """
    n = boxes.shape[0]
    return Cost(flops=13 * n * (n - 1) // 2 + 3 * n + sorting_comparisons(n))


@cost("deform_conv2d", namespace="torchvision")
def _deform_conv2d(x: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, *args: Any, out: Tensor) -> Cost:
    """MACs: as a convolution; FLOPs: 2 per MAC, 1 per bias add; samples: 7 each, 1 with a mask, 1 per offset."""
    macs, samples, uses_mask = _deformable(x, weight, out, args)
    return Cost(macs, 2 * macs + out.numel() + (7 + uses_mask) * samples + offset.numel())


@cost("_deform_conv2d_backward", namespace="torchvision")
def _deform_conv2d_backward(
    grad: Tensor, x: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, *args: Any, out: Any
) -> Cost:
    """MACs: twice those of forward; FLOPs: 2 per MAC, the bias's sums; samples: 33 each, 11 more with a mask.

    A sample is formed again (7), its gradient is put to 4 neighbours (8) and times 4 of them to both offsets (18); the
    mask scales the sample and both gradients (3), its own is a product and a sum over a sample formed again (8).
    """
    macs, samples, uses_mask = _deformable(x, weight, grad, args)
    bias_additions = grad.numel() - grad.shape[1]
    return Cost(2 * macs, 4 * macs + bias_additions + (33 + 11 * uses_mask) * samples + offset.numel())


def _deformable(x: Tensor, weight: Tensor, out: Tensor, args: Any) -> tuple[int, int, bool]:
    """Return the MACs of the convolution, how many values it samples, and whether a mask scales them."""
    samples = x.shape[0] * x.shape[1] * prod(weight.shape[2:]) * prod(out.shape[2:])
    return out.numel() * prod(weight.shape[1:]), samples, bool(args[-1])


def _aligned(size: Any, out: Tensor, height: int, width: int, ratio: int) -> int:
    """Return 8 per output and sample, and 6 per sample's place, which all channels share."""
    rows, columns = size[-2:]
    samples = ratio**2 if ratio > 0 else -(-rows // height) * -(-columns // width)
    return samples * (8 * out.numel() + 6 * out.numel() // max(out.shape[1], 1))
