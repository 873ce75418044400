"""Large weights are filled with random numbers that repeat."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archbench.measure.worker.random_fill import _NUM_DRAWN, RepeatedFill

SIZE = 1_500_000


def filled(fill, size=SIZE, **options):
    with RepeatedFill():
        tensor = torch.empty(size, **options)
        return fill(tensor)


@pytest.mark.parametrize(
    ("fill", "mean", "deviation"),
    [
        (lambda tensor: tensor.normal_(2.0, 0.5), 2.0, 0.5),
        (lambda tensor: nn.init.normal_(tensor, std=0.02), 0.0, 0.02),
        # The standard deviation of a uniform distribution is its width over the root of 12.
        (lambda tensor: nn.init.uniform_(tensor, -1.0, 3.0), 1.0, 4 / 12**0.5),
    ],
)
def test_a_large_tensor_has_the_distribution_and_repeats(fill, mean, deviation):
    tensor = filled(fill)
    assert torch.equal(tensor[_NUM_DRAWN:], tensor[: SIZE - _NUM_DRAWN])
    assert tensor[:_NUM_DRAWN].unique().numel() > _NUM_DRAWN / 4  # floating-point numbers coincide
    # A mean of a million numbers is within 5 thousandths of their deviation with certainty (5 standard errors).
    assert tensor.mean().item() == pytest.approx(mean, abs=5e-3 * deviation)
    assert tensor.std().item() == pytest.approx(deviation, rel=5e-3)


def test_what_is_small_or_not_contiguous_or_has_a_generator_is_as_ever():
    torch.manual_seed(3)
    expected = torch.empty(1000).normal_()
    torch.manual_seed(3)
    assert torch.equal(filled(lambda tensor: tensor.normal_(), 1000), expected)
    turned = filled(lambda tensor: tensor.view(1500, 1000).t().normal_())
    assert not torch.equal(turned.t().reshape(-1)[_NUM_DRAWN:], turned.t().reshape(-1)[: SIZE - _NUM_DRAWN])
    first, second = (filled(lambda tensor: tensor.normal_(generator=torch.Generator().manual_seed(1))) for _ in "ab")
    assert torch.equal(first, second)


def test_parameters_are_filled_and_stay_leaves():
    with RepeatedFill():
        layer = nn.Linear(1500, 1000)
    assert layer.weight.is_leaf
    assert layer.weight.requires_grad
    assert torch.equal(layer.weight.flatten()[_NUM_DRAWN:], layer.weight.flatten()[: SIZE - _NUM_DRAWN])
    assert not torch.equal(layer.weight[0], layer.weight[-1])


def test_a_tensor_on_the_meta_device_is_left_alone():
    assert filled(lambda tensor: tensor.normal_(), device="meta").is_meta
