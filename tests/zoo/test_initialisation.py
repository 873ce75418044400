from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import nn

from archbench.models.address import find
from archbench.training.model.initialise import initialise
from zoo.initialisation import kaiming, xavier


def build(address):
    torch.manual_seed(0)
    source = find(address)
    return dict(source.builder(**source.arguments).named_parameters())


@pytest.mark.slow
def test_kaiming_scales_hidden_layers_by_fan_in_and_the_last_by_one_hundredth():
    parameters = build("vgg11@10?init=kaiming")
    # He et al. 2015: standard deviation sqrt(2 / fan-in); conv3_1 sees 128 maps of 3x3, fc7 4096 features.
    assert parameters["conv3_1.weight"].std().item() == pytest.approx(sqrt(2 / (128 * 9)), rel=0.02)
    assert parameters["fc7.weight"].std().item() == pytest.approx(sqrt(2 / 4096), rel=0.02)
    assert parameters["fc8.weight"].std().item() == pytest.approx(0.01, rel=0.05)
    assert all(not value.any() for name, value in parameters.items() if name.endswith("bias"))


def test_alexnets_paper_initialisation_sets_some_biases_to_one():
    parameters = build("alexnet_nopad@10?init=paper")
    ones = {name for name, value in parameters.items() if name.endswith("bias") and (value == 1).all()}
    assert ones == {"conv2.bias", "conv4.bias", "conv5.bias", "fc6.bias", "fc7.bias"}
    assert parameters["conv3.weight"].std().item() == pytest.approx(0.01, rel=0.02)


def test_vggs_paper_initialisation_is_glorots():
    parameters = build("vgg11@10?init=paper")
    # Uniform within sqrt(6 / (fan-in + fan-out)): fc7 has 4096 and 4096.
    assert parameters["fc7.weight"].abs().max().item() == pytest.approx(sqrt(6 / 8192), rel=1e-3)


def test_googlenets_paper_initialisation_is_glorots_in_the_modules_too():
    weight = build("googlenet@10?init=paper")["inception_3a.3x3.weight"]
    # Within sqrt(6 / (fan-in + fan-out)): 96 and 128 maps of 3x3.
    assert weight.abs().max().item() == pytest.approx(sqrt(6 / ((96 + 128) * 9)), rel=1e-2)


def test_resnets_paper_initialisation_is_by_fan_in_in_the_blocks_too():
    parameters = build("resnet18@10?init=paper")
    # sqrt(2 / fan-in): 512 maps of 3x3; the projection of conv5_1 sees 256 maps.
    assert parameters["conv5_2.conv1.weight"].std().item() == pytest.approx(sqrt(2 / (512 * 9)), rel=0.02)
    assert parameters["conv5_1.shortcut.weight"].std().item() == pytest.approx(sqrt(2 / 256), rel=0.02)
    assert (parameters["conv5_2.bn2.weight"] == 1).all()


def test_lenets_paper_initialisation_is_uniform_by_fan_in():
    parameters = build("lenet?init=paper")
    # LeCun et al. 1998: within 2.4 / fan-in; fc3 sees 400 features.
    assert parameters["fc3.weight"].abs().max().item() == pytest.approx(2.4 / 400, rel=1e-2)


@pytest.mark.parametrize("scheme", ["kaiming", "xavier", "paper"])
def test_every_layer_of_lenet5_is_initialised(scheme):
    torch.manual_seed(0)
    other, same = build(f"lenet5?init={scheme}"), build("lenet5?init=torch")
    weights = [name for name in other if name.endswith("weight")]
    assert len(weights) == 6
    assert all(not torch.equal(other[name], same[name]) for name in weights)
    assert all(not value.any() for name, value in other.items() if name.endswith("bias"))


def test_kaiming_draws_lenet5s_last_linear_layer_as_a_hidden_one():
    # f6 is a hidden layer of 120 inputs: its standard deviation is sqrt(2 / 120), not 0.01.
    assert build("lenet5?init=kaiming")["f6.weight"].std().item() == pytest.approx(sqrt(2 / 120), rel=0.03)


def test_partial_connections_are_scaled_by_their_own_fan_in():
    weight = build("lenet5?init=paper")["c3.weight"]
    # 6 maps of 3 inputs come first, 1 map of 6 last; each kernel has 25 elements.
    assert weight[:18].abs().max().item() == pytest.approx(2.4 / 75, rel=0.02)
    assert weight[-6:].abs().max().item() == pytest.approx(2.4 / 150, rel=0.05)


@pytest.mark.parametrize("scheme", [kaiming, xavier])
@pytest.mark.parametrize("convolution", [(96, 256, 5, 2), (6, 6, 3, 6), (3, 5, 3, 1)])
def test_a_users_model_gets_the_weights_that_the_zoo_would_draw(scheme, convolution):
    channels, filters, kernel, groups = convolution

    def draw(initialiser, *arguments):
        net = nn.Sequential(nn.Conv2d(channels, filters, kernel, groups=groups), nn.Flatten(), nn.Linear(filters, 10))
        torch.manual_seed(0)
        initialiser(net, *(argument(net) for argument in arguments))
        return net.state_dict()

    zoos = draw(scheme)
    users = draw(initialise, lambda _: scheme.__name__, lambda net: net[2])
    assert all(torch.equal(zoos[name], users[name]) for name in zoos)


def test_xavier_divides_the_fan_out_of_a_grouped_convolution_by_its_groups():
    net = nn.Sequential(nn.Conv2d(96, 256, 5, groups=2), nn.Flatten(), nn.Linear(256, 10))
    xavier(net)
    # Glorot and Bengio 2010: an output has 48 * 25 connections, an input 128 * 25.
    assert net[0].weight.abs().max().item() == pytest.approx(sqrt(6 / (48 * 25 + 128 * 25)), rel=1e-3)
