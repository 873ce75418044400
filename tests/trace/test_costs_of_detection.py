"""Operators of detectors, against arithmetic, and deformable convolution against the plain one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torchvision import ops

from tests.helpers.costs import backward_flops, cost, on_values

# 2 boxes, each with the index of its image.
BOXES = (2, 5)
ON_MAP = [(1, 8, 6, 6), BOXES]
CASES = {
    # name: (function, inputs, MACs, FLOPs)
    # 2 boxes x 8 channels x 2 x 2 bins; 4 samples each, whose place all channels share.
    "roi align": (lambda x, b: ops.roi_align(x, b, 2, sampling_ratio=2), ON_MAP, 0, 4 * (8 * 64 + 6 * 8)),
    # A bin of a box as large as the map has 3 x 3 samples.
    "roi align of any size": (lambda x, b: ops.roi_align(x, b, 2), ON_MAP, 0, 9 * (8 * 64 + 6 * 8)),
    # 8 channels are 2 for each of 2 x 2 bins.
    "position-sensitive roi align": (
        lambda x, b: ops.ps_roi_align(x, b, 2, sampling_ratio=2), ON_MAP, 0, 4 * (8 * 16 + 6 * 8),
    ),
    "roi pool": (lambda x, b: ops.roi_pool(x, b, 2), ON_MAP, 0, 2 * 8 * 36),
    "position-sensitive roi pool": (lambda x, b: ops.ps_roi_pool(x, b, 2), ON_MAP, 0, 2 * 2 * 36 + 16),
    # 6 pairs of 4 boxes, 4 areas, a sort of 0 + 1 + 2 + 2 comparisons.
    "nms": (
        on_values(lambda b, s: torch.ops.torchvision.nms(b, s, 0.5)), [torch.rand(4, 4), torch.rand(4)],
        0, 6 * 13 + 12 + 5,
    ),
    # 2 x 6 x 4 x 4 outputs of 3 x 3 x 3 products; samples for each of 3 x 9 x 16 columns of 2 images.
    "deformable convolution": (
        lambda x, o, w, b: ops.deform_conv2d(x, o, w, b), [(2, 3, 6, 6), (2, 18, 4, 4), (6, 3, 3, 3), (6,)],
        192 * 27, 2 * 192 * 27 + 192 + 7 * 2 * 3 * 9 * 16 + 2 * 18 * 16,
    ),
    "deformable convolution with a mask": (
        lambda x, o, w, m: ops.deform_conv2d(x, o, w, mask=m),
        [(2, 3, 6, 6), (2, 18, 4, 4), (6, 3, 3, 3), (2, 9, 4, 4)],
        192 * 27, 2 * 192 * 27 + 192 + 8 * 2 * 3 * 9 * 16 + 2 * 18 * 16,
    ),
}  # fmt: skip

BACKWARD = {
    # name: (function, input shapes, FLOPs of the backward pass)
    "roi align": (lambda x, b: ops.roi_align(x, b.detach(), 2, sampling_ratio=2), ON_MAP, 4 * (8 * 64 + 6 * 8)),
    "position-sensitive roi align": (
        lambda x, b: ops.ps_roi_align(x, b.detach(), 2, sampling_ratio=2), ON_MAP, 4 * (8 * 16 + 6 * 8),
    ),
    "roi pool": (lambda x, b: ops.roi_pool(x, b.detach(), 2), ON_MAP, 64),
    "position-sensitive roi pool": (lambda x, b: ops.ps_roi_pool(x, b.detach(), 2), ON_MAP, 2 * 2 * 36 + 16),
    "deformable convolution": (
        lambda x, o, w, b: ops.deform_conv2d(x, o, w, b), [(2, 3, 6, 6), (2, 18, 4, 4), (6, 3, 3, 3), (6,)],
        2 * 2 * 192 * 27 + 192 - 6 + 33 * 2 * 3 * 9 * 16 + 2 * 18 * 16,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_its_arithmetic_says(name):
    function, inputs, macs, flops = CASES[name]
    assert cost(function, *inputs) == (macs, flops)


@pytest.mark.parametrize("name", BACKWARD)
def test_the_backward_pass_costs_what_its_arithmetic_says(name):
    function, shapes, flops = BACKWARD[name]
    assert backward_flops(function, *shapes) == flops


def test_a_deformable_convolution_has_the_macs_of_a_plain_one():
    x, weight = (2, 4, 6, 6), (6, 2, 3, 3)
    plain = cost(lambda x, w: F.conv2d(x, w, stride=2, padding=1, groups=2), x, weight)
    offsets = (2, 18, 3, 3)
    deformable = cost(lambda x, o, w: ops.deform_conv2d(x, o, w, stride=2, padding=1), x, offsets, weight)
    assert deformable[0] == plain[0]
