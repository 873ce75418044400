from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import nn

from archbench.errors import UsageError
from archbench.training.model.initialise import initialise, require_scheme


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(8, 64, 3, groups=2),
        nn.BatchNorm2d(64),
        nn.Conv2d(64, 64, 1, bias=False),
        nn.Flatten(),
        nn.Linear(256, 128),
        nn.Linear(128, 100),
    )


def assert_variance(weight, expected):
    # The variance of n normal numbers scatters by a part of sqrt(2 / n); five times that is never seen.
    n = weight.numel()
    assert weight.var().item() == pytest.approx(expected, rel=5 * sqrt(2 / n))
    assert abs(weight.mean().item()) < 5 * sqrt(expected / n)


def test_kaiming_has_the_variance_of_he_et_al_and_a_quiet_head():
    model = make()
    initialise(model, "kaiming", model[5])
    assert_variance(model[0].weight, 2 / (4 * 9))  # a filter sees half of 8 maps
    assert_variance(model[2].weight, 2 / 64)
    assert_variance(model[4].weight, 2 / 256)
    assert_variance(model[5].weight, 0.01**2)
    assert not any(layer.bias.any() for layer in (model[0], model[4], model[5]))


def test_a_head_that_is_a_convolution_is_drawn_as_all_convolutions():
    model = make()
    initialise(model, "kaiming", model[2])
    assert_variance(model[2].weight, 2 / 64)
    assert_variance(model[5].weight, 2 / 128)


def test_xavier_is_uniform_by_fan_in_and_fan_out():
    model = make()
    initialise(model, "xavier", model[5])
    for layer in (model[4], model[5]):
        bound = sqrt(6 / (layer.in_features + layer.out_features))
        assert bound * 0.99 < layer.weight.abs().max().item() <= bound
        assert not layer.bias.any()


def test_xavier_counts_a_grouped_convolutions_connections_by_its_groups():
    model = make()
    initialise(model, "xavier", model[5])
    # An output sees 4 of 8 maps, an input 32 of 64 filters, by 3x3 weights each.
    bound = sqrt(6 / (4 * 9 + 32 * 9))
    assert bound * 0.99 < model[0].weight.abs().max().item() <= bound


def test_torch_leaves_all_as_it_was_constructed():
    model, same = make(), make()
    initialise(model, "torch", model[5])
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))


@pytest.mark.parametrize("scheme", ["kaiming", "xavier"])
def test_norms_and_all_else_stay_as_they_are(scheme):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32)
    embedding = nn.Embedding(5, 16)
    model = nn.ModuleList([embedding, layer, nn.Linear(16, 4)])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    initialise(model, scheme, model[2])
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {
        *("1.self_attn.out_proj.weight", "1.linear1.weight", "1.linear1.bias", "1.linear2.weight", "1.linear2.bias"),
        *("2.weight", "2.bias"),
    }


def test_the_same_seed_draws_the_same_weights():
    def draw():
        model = make()
        torch.manual_seed(7)
        initialise(model, "kaiming", model[5])
        return list(model.parameters())

    assert all(torch.equal(a, b) for a, b in zip(draw(), draw(), strict=True))


def test_an_unknown_scheme_is_told_with_those_there_are():
    require_scheme("xavier", "net.py:Net")
    with pytest.raises(UsageError, match=r"net\.py:Net has no initialisation 'paper'; .* kaiming, torch, xavier"):
        require_scheme("paper", "net.py:Net")
