from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from archbench.errors import UsageError
from archbench.training.data.augmentation import (
    AUGMENTATIONS,
    Draws,
    draw,
    find_augmentation,
    principal_colors,
    source_rows_and_columns,
)
from archbench.training.data.records import Images


def test_every_combination_has_one_name_whatever_the_order():
    # Subsets of three parts.
    assert len(AUGMENTATIONS) == 2**3
    assert [find_augmentation(name).name for name in AUGMENTATIONS] == list(AUGMENTATIONS)
    assert find_augmentation("flip+color+crop") == find_augmentation("crop+flip+color")
    assert not any((find_augmentation("none").crop, find_augmentation("none").flip, find_augmentation("none").color))


@pytest.mark.parametrize(("name", "meant"), [("crop+flop", "crop+flip"), ("colour", "color"), ("nome", "none")])
def test_an_unknown_augmentation_is_refused_with_the_nearest(name, meant):
    with pytest.raises(UsageError) as caught:
        find_augmentation(name)
    assert (
        str(caught.value)
        == f"augment='{name}' is not none, or any of crop, flip, color joined by +; did you mean '{meant}'?"
    )


@pytest.mark.parametrize("name", ["crop+crop", "none+flip", "crop+", "+"])
def test_a_part_that_is_said_twice_or_is_none_is_refused(name):
    with pytest.raises(UsageError, match="is not none, or any of"):
        find_augmentation(name)


def test_a_name_like_none_lists_the_parts():
    with pytest.raises(UsageError, match="any of crop, flip, color joined by"):
        find_augmentation("")


def reflect_pad(rows: list[list[int]], pad_height: int, pad_width: int) -> list[list[int]]:
    """Continue a list of rows by reflection, one list operation a side."""
    wide = [row[1 : pad_width + 1][::-1] + row + row[-pad_width - 1 : -1][::-1] if pad_width else row for row in rows]
    return wide[1 : pad_height + 1][::-1] + wide + (wide[-pad_height - 1 : -1][::-1] if pad_height else [])


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 999), data=st.data())
def test_pixels_come_from_where_padding_cutting_and_mirroring_by_hand_take_them(height, width, seed, data):
    name = data.draw(st.sampled_from(["none", "crop", "flip", "crop+flip"]))
    augmentation = find_augmentation(name)
    draws = draw(Generator().manual_seed(seed), 5, (1, height, width))
    numbered = [list(range(row * width, (row + 1) * width)) for row in range(height)]
    expected = []
    for top, left, flips in zip(draws.tops.tolist(), draws.lefts.tolist(), draws.flips.tolist(), strict=True):
        rows = numbered
        if augmentation.crop:
            padded = reflect_pad(rows, height // 8, width // 8)
            rows = [row[left : left + width] for row in padded[top : top + height]]
        if augmentation.flip and flips:
            rows = [row[::-1] for row in rows]
        expected.append([number for row in rows for number in row])
    rows, columns = source_rows_and_columns(augmentation, draws, height, width)
    assert (rows[:, :, None] * width + columns[:, None, :]).flatten(1).tolist() == expected


def test_crops_reach_every_shift_of_an_eighth_and_half_of_the_images_are_mirrored():
    draws = draw(Generator().manual_seed(0), 20_000, (3, 32, 16))
    assert set(draws.tops.tolist()) == set(range(9))  # 2·4 + 1 places at 32 pixels
    assert set(draws.lefts.tolist()) == set(range(5))  # 2·2 + 1 at 16
    # Five standard deviations of 20,000 throws of a coin: 5·√(0.25/20,000) = 0.018.
    assert abs(draws.flips.float().mean().item() - 0.5) < 0.018
    # The standard deviation of 60,000 numbers is known to 5·0.1/√(2·60,000) = 0.0015.
    assert abs(draws.colors.std().item() - 0.1) < 0.0015


def test_a_part_of_what_was_drawn_is_that_of_the_chosen_images():
    whole = draw(Generator().manual_seed(1), 6, (3, 32, 32))
    part = whole.part(slice(1, None, 2))
    assert isinstance(part, Draws)
    for name in ("tops", "lefts", "flips", "colors"):
        assert getattr(part, name).tolist() == getattr(whole, name)[[1, 3, 5]].tolist()


def test_principal_colors_are_those_of_the_covariance_of_all_pixels():
    images = torch.randint(0, 256, (50, 3, 6, 7), dtype=torch.uint8, generator=Generator().manual_seed(0))
    images[:, 1] = images[:, 0] // 2 + images[:, 2] // 4
    found = principal_colors(Images(images, torch.zeros(50))).double()
    covariance = torch.cov(images.transpose(0, 1).flatten(1).double() / 255, correction=0)
    lengths = found.norm(dim=1)
    directions = found / lengths[:, None]
    # Each is an eigenvector whose length is its eigenvalue, and together they are the covariance again.
    assert torch.allclose(directions @ covariance, found, atol=1e-6)
    assert torch.allclose(directions.T @ torch.diag(lengths) @ directions, covariance, atol=1e-6)
    assert (found.gather(1, found.abs().argmax(dim=1, keepdim=True)) >= 0).all()
