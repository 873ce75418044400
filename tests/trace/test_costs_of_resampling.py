"""Resizing and sampling of grids, and distances, against arithmetic and against an equivalent product."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.helpers.costs import backward_flops, cost


def resized(mode, size):
    return lambda x: F.interpolate(x, size, mode=mode, antialias=True)


def sampled(mode):
    return lambda x, g: F.grid_sample(x, g, mode, align_corners=True)


GRID, GRID3D = [(1, 2, 4, 4), (1, 3, 3, 2)], [(1, 2, 4, 4, 4), (1, 3, 3, 3, 3)]
CASES = {
    # name: (function, input shapes, MACs, FLOPs)
    # 8 into 4: 4 pixels a result, 7 operations; 3 x 8 rows of 4, then 3 x 4 rows of 4.
    "bilinear, shrunk": (resized("bilinear", (4, 4)), [(1, 3, 8, 8)], 0, 3 * (8 * 4 + 4 * 4) * 7),
    # Enlarged, 2 pixels; 4 x 8, then 8 x 8.
    "bilinear, enlarged": (resized("bilinear", (8, 8)), [(1, 3, 4, 4)], 0, 3 * (4 * 8 + 8 * 8) * 3),
    # 8 pixels along the columns, which halve, 4 along the rows, which stay.
    "bicubic, columns shrunk": (resized("bicubic", (8, 4)), [(1, 3, 8, 8)], 0, 3 * (8 * 4 * 15 + 8 * 4 * 7)),
    "lanczos": (
        lambda x: torch.ops.aten._upsample_lanczos2d_aa(x, [4, 4], False), [(1, 3, 8, 8)],
        0, 3 * (8 * 4 + 4 * 4) * 23,
    ),
    "pairwise distances": (lambda x: F.pdist(x, 1), [(4, 5)], 0, 3 * 6 * 5),
}  # fmt: skip

BACKWARD = {
    # name: (function, input shapes, FLOPs of the backward pass)
    "bilinear, shrunk": (resized("bilinear", (4, 4)), [(1, 3, 8, 8)], 3 * (8 * 4 + 4 * 4) * 8),
    "bicubic, shrunk": (resized("bicubic", (4, 4)), [(1, 3, 8, 8)], 3 * (8 * 4 + 4 * 4) * 16),
    "lanczos, shrunk": (
        lambda x: torch.ops.aten._upsample_lanczos2d_aa(x, [4, 4], False), [(1, 3, 8, 8)], 3 * (8 * 4 + 4 * 4) * 24,
    ),
    # 18 gradients: 4 neighbours, 2 for the input and 3 for each of 2 coordinates; 3 for each of 18 coordinates.
    "bilinear grid": (sampled("bilinear"), GRID, 18 * 4 * (2 + 6) + 3 * 18),
    "nearest grid": (sampled("nearest"), GRID, 18 + 3 * 18),
    "cubic grid": (sampled("bicubic"), GRID, 18 * 16 * (2 + 6) + 3 * 18),
    "grid in 3-D": (sampled("bilinear"), GRID3D, 54 * 8 * (2 + 9) + 3 * 81),
    # 12 distances of 5 features, once for each side.
    "distances": (lambda a, b: torch.cdist(a, b, p=1), [(3, 5), (4, 5)], 2 * 4 * 12 * 5),
    "pairwise distances": (lambda x: F.pdist(x, 1), [(4, 5)], 5 * 6 * 5),
    "nearest, 3-D": (lambda x: F.interpolate(x, scale_factor=2), [(1, 1, 2, 2, 2)], 0),
    "replication padding, 3-D": (lambda x: F.pad(x, (1,) * 6, mode="replicate"), [(1, 1, 2, 2, 2)], 64 - 8),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_call_costs_what_its_arithmetic_says(name):
    function, shapes, macs, flops = CASES[name]
    assert cost(function, *shapes) == (macs, flops)


@pytest.mark.parametrize("name", BACKWARD)
def test_the_backward_pass_costs_what_its_arithmetic_says(name):
    function, shapes, flops = BACKWARD[name]
    assert backward_flops(function, *shapes) == flops


@pytest.mark.parametrize(("size", "new_size"), [(12, 4), (9, 3), (16, 2)])
def test_an_antialiased_filter_is_about_as_wide_as_it_is_counted(size, new_size):
    # The weights of a result are the results of resizing unit vectors; at the edges some fall outside.
    weights = F.interpolate(torch.eye(size)[:, None, :, None], (new_size, 1), mode="bicubic", antialias=True)
    pixels = (weights != 0).sum(0).max().item()
    flops = cost(resized("bicubic", (new_size, 1)), (1, 1, size, 1))[1]
    counted = (flops / new_size - 7 * size / new_size + 1) / 2  # less the pass along columns, of 4 pixels
    assert 0 <= counted - pixels <= 2 * size / new_size
