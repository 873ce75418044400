from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archbench.reporting.drawings.canvas import to_png
from archbench.reporting.drawings.filters import (
    convolutions,
    filter_grid,
    filter_pictures,
    kernel_slices,
)
from archbench.reporting.drawings.images import NOT_FINITE, common_scale, diverging, in_colours, in_grey, tiled
from tests.helpers.pictures import assert_legible, groups, images, texts

SAID = {"title": "net: conv1", "subtitle": "digits, 5 epochs"}


def weights(*shape, seed=0, std=0.1):
    return np.random.default_rng(seed).normal(0, std, shape)


def panels(svg):
    """Return the pixels of each panel, without the margin of two pixels, by its name."""
    found = groups(svg, "panel")
    return {name.partition(",")[0]: images(group)[0] for name, group in found.items()}


def tiles_of(pixels, columns, height, width, gap=2):
    """Cut a panel into its tiles, one value a square, by the layout's definition: a loop, row by row."""
    enlargement = (pixels.shape[1] - gap) // columns
    square = (enlargement - gap) // width
    rows = (pixels.shape[0] - gap) // (square * height + gap)
    middle = square // 2
    return np.array(
        [
            [
                [
                    pixels[
                        gap + row * (square * height + gap) + i * square + middle,
                        gap + column * (square * width + gap) + j * square + middle,
                    ]
                    for j in range(width)
                ]
                for i in range(height)
            ]
            for row in range(rows)
            for column in range(columns)
        ]
    )


def test_alexnets_filters_are_eight_by_eight_with_the_colours_of_their_weights():
    before, after = weights(64, 3, 11, 11), weights(64, 3, 11, 11, seed=1)
    found = panels(filter_grid(before, after, **SAID))
    assert list(found) == ["before", "after", "difference"]
    scale = common_scale(before, after, after - before)
    for name, values in (("before", before), ("after", after), ("difference", after - before)):
        drawn = tiles_of(found[name], 8, 11, 11)
        # By hand: -scale is 0, 0 is 127.5, +scale is 255; channels last.
        expected = np.rint(255 * (0.5 + values.transpose(0, 2, 3, 1) / (2 * scale)))
        np.testing.assert_array_equal(drawn, expected)


def test_equal_weights_differ_by_neutral_grey():
    before = weights(6, 3, 5, 5)
    found = panels(filter_grid(before, before, **SAID))
    assert (tiles_of(found["difference"], 3, 5, 5) == 128).all()
    np.testing.assert_array_equal(found["before"], found["after"])
    assert list(found) == ["before", "after", "difference"]  # there is nothing to magnify


def test_the_scale_is_symmetric_and_one_for_all_panels():
    before = weights(4, 1, 3, 3)
    low, high = np.zeros((4, 1, 3, 3)), np.zeros((4, 1, 3, 3))
    low[0, 0, 0, 0], high[0, 0, 0, 0] = -0.5, 0.5
    plus = tiles_of(panels(filter_grid(before, before + high, **SAID))["difference"], 2, 3, 3)
    minus = tiles_of(panels(filter_grid(before, before + low, **SAID))["difference"], 2, 3, 3)
    assert plus[0, 0, 0, 0] > 128 > minus[0, 0, 0, 0]
    values = np.linspace(-1, 1, 41)
    for pixels in (in_grey(values, 1.0), in_colours(np.stack([values] * 3, -1), 1.0)):
        assert np.abs(pixels.astype(int) + pixels[::-1] - 255).max() <= 1
    # ColorBrewer's RdBu in five steps, from its end.
    assert diverging(np.array([-1.0, 0.0, 1.0]), 1.0).tolist() == [[5, 113, 176], [247, 247, 247], [202, 0, 32]]


def test_the_scale_is_said():
    before = np.zeros((4, 3, 3, 3))
    before[0, 0, 0, 0] = 0.2137
    svg = filter_grid(before, before, **SAID)
    # 0.2137 with two digits, upwards.
    assert {"−0.22", "0", "+0.22"} <= set(texts(ElementTree.fromstring(svg)))


@pytest.mark.parametrize(
    ("largest", "scale"), [(0.21, 0.21), (0.2101, 0.22), (0.0999, 0.1), (3.0, 3.0), (123.0, 130.0), (0.0, 1.0)]
)
def test_the_scale_has_two_digits_and_holds_all_values(largest, scale):
    assert common_scale(np.array([0.0, -largest]), np.array([largest / 2])) == scale


@settings(deadline=None)
@given(st.floats(1e-30, 1e30))
def test_no_value_exceeds_the_scale_and_it_is_not_much_larger(largest):
    scale = common_scale(np.array([largest]))
    # Two digits: at most a tenth more; a part in 10 million less, which no pixel shows.
    assert largest * (1 - 1e-6) <= scale <= largest * 1.1 + 1e-40


def test_the_rms_of_a_stronger_difference_is_that_of_the_weights():
    before = weights(4, 3, 5, 5)
    step = np.full_like(before, 0.001)
    before[0, 0, 0, 0] = 0.9
    names = groups(filter_grid(before, before + step, **SAID), "panel")
    assert [name for name in names if name.startswith("difference")] == ["difference × 500, rms 0.0010"]


def test_a_small_difference_is_shown_stronger():
    before = weights(16, 3, 5, 5)
    step = np.zeros_like(before)
    step[0, 0, 0, 0], before[0, 1, 0, 0] = 0.003, 0.9
    found = panels(filter_grid(before, before + step, **SAID))
    # The scale is 0.9; 0.003 has room 300 times; of 1, 2, 5, 10 … that is 200.
    assert list(found) == ["before", "after", "difference × 200"]
    strong = tiles_of(found["difference × 200"], 4, 5, 5)
    # 0.6 of 0.9: 255 (0.5 + 0.6 / 1.8) = 212.5
    assert strong[0, 0, 0, 0] in (212, 213)
    assert (strong[1:] == 128).all()


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("filters", [1, 2, 6, 7, 20, 64, 96])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (7, 7), (11, 11), (3, 5)])
def test_every_filter_has_a_tile(filters, channels, kernel):
    svg = filter_grid(weights(filters, channels, *kernel), weights(filters, channels, *kernel, seed=1), **SAID)
    assert_legible(svg)
    assert re.search(rf"{filters} filters? of {channels}x{kernel[0]}x{kernel[1]}\.", svg)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 96), st.integers(1, 12), st.integers(1, 5))
def test_tiles_are_where_a_loop_puts_them(number, columns, enlargement):
    tiles = np.random.default_rng(number).integers(0, 256, (number, 2, 3, 3)).astype(np.uint8)
    page = tiled(tiles, columns, enlargement, 2, 255)
    found = tiles_of(page, columns, 2, 3)
    np.testing.assert_array_equal(found[:number], tiles)
    assert (found[number:] == 255).all()


def test_one_channel_is_grey():
    drawn = panels(filter_grid(weights(6, 1, 5, 5), weights(6, 1, 5, 5, seed=1), **SAID))["after"]
    assert (drawn == drawn[..., :1]).all()


def test_a_first_layer_of_other_channels_is_shown_as_slices():
    before, after = weights(8, 4, 5, 5), weights(8, 4, 5, 5, seed=1)
    assert filter_grid(before, after, **SAID) == kernel_slices(before, after, **SAID)


def test_a_kernel_has_a_slice_for_each_map():
    before, after = weights(192, 64, 5, 5), weights(192, 64, 5, 5, seed=1)
    svg = kernel_slices(before, after, 7, **SAID)
    assert_legible(svg)
    drawn = tiles_of(panels(svg)["after"], 8, 5, 5)
    scale = common_scale(before[7], after[7], after[7] - before[7])
    np.testing.assert_array_equal(drawn, diverging(after[7], scale))
    assert "Kernel 8 of 192: its 64 slices of 5x5" in svg


def test_what_is_no_number_is_marked_and_does_not_spoil_the_scale():
    before = weights(4, 3, 3, 3)
    after = before.copy()
    after[1, 2, 0, 0], after[2, 0, 1, 1] = np.nan, np.inf
    svg = filter_grid(before, after, **SAID)
    drawn = tiles_of(panels(svg)["after"], 2, 3, 3)
    marked = (drawn == NOT_FINITE).all(axis=-1)
    assert np.argwhere(marked).tolist() == [[1, 0, 0], [2, 1, 1]]
    np.testing.assert_array_equal(drawn[0], tiles_of(panels(svg)["before"], 2, 3, 3)[0])
    assert "Magenta marks what is no finite number" in svg
    assert "Magenta" not in filter_grid(before, before, **SAID)


def test_weights_of_zero_are_drawn():
    assert (tiles_of(panels(filter_grid(*[np.zeros((4, 1, 3, 3))] * 2, **SAID))["after"], 2, 3, 3) == 128).all()


def test_the_convolutions_of_a_state_are_found_in_order():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 5), nn.BatchNorm2d(8), nn.Sequential(nn.Conv2d(8, 4, 3)), nn.Flatten(), nn.Linear(4, 2)
    )
    state = model.to(torch.bfloat16).state_dict()
    shapes = {layer.name: layer.weight.shape for layer in convolutions(state)}
    assert list(shapes.items()) == [("0", (8, 3, 5, 5)), ("2.0", (4, 8, 3, 3))]
    dense = nn.Linear(2, 2).state_dict()
    assert convolutions(dense) == []
    assert filter_pictures(dense, dense, model="dense", subtitle="") == {}


def test_pictures_are_of_the_layers_that_both_states_have():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 5), nn.Conv2d(8, 4, 3), nn.Conv2d(4, 4, 3))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items() if name in ("0.weight", "1.weight")}
    found = filter_pictures(before, model.state_dict(), model="a<b>", subtitle="digits & more")
    assert list(found) == ["0", "1"]
    assert texts(ElementTree.fromstring(found["1"]))[:2] == ["a<b>: 1", "digits & more"]
    assert list(filter_pictures({"0.weight": before["0.weight"]}, model.state_dict(), model="m", subtitle="")) == ["0"]


def test_a_pictures_squares_stay_squares_as_png():
    from io import BytesIO

    from PIL import Image

    before = weights(4, 3, 3, 3)
    svg = filter_grid(before, before, **SAID)
    group = groups(svg, "panel")
    image = next(iter(next(iter(group.values())).iter("{http://www.w3.org/2000/svg}image")))
    pixels = images(next(iter(group.values())))[0]
    left, top = float(image.get("x")), float(image.get("y"))
    page = np.asarray(Image.open(BytesIO(to_png(svg))).convert("RGB"))
    assert left == int(left)
    assert top == int(top)
    part = page[int(2 * top) :, int(2 * left) :][: 2 * pixels.shape[0], : 2 * pixels.shape[1]]
    np.testing.assert_array_equal(part, pixels.repeat(2, axis=0).repeat(2, axis=1))
