from __future__ import annotations

from math import isclose, sqrt

import pytest
import torch
from torch import nn

from archbench.analyze.diagram.volumes import volume_chain
from archbench.analyze.layers import layer_table
from archbench.models.address import find
from archbench.trace.tracer import trace
from archbench.units import format_dimensions
from tests.helpers.golden_figures import chains, layers_of


def chain_of(model, *shape):
    record = trace(model, torch.empty(1, *shape))
    return volume_chain(layer_table(record).rows, record)


@pytest.fixture(scope="session")
def chain(zoo_trace):
    def make(name):
        record = zoo_trace(name, 1, "eval")
        stages = volume_chain(layer_table(record).rows, record)
        assert stages is not None
        return {stage.name: stage for stage in stages}

    return make


@pytest.mark.parametrize("model", chains())
def test_each_volume_is_there_once_in_the_golden_order(chain, model):
    golden = [(row["layer"], row["output_shape"]) for row in layers_of(model)]
    stages = list(chain(model).values())
    assert [(stage.name, format_dimensions(stage.shape)) for stage in stages[1:]] == golden
    assert (stages[0].kind, format_dimensions(stages[0].shape)) == ("input", layers_of(model)[0]["input_shape"])


def test_sizes_are_to_scale(chain):
    stages = chain("vgg16")
    # 224 and 56 pixels: a quarter; 64 and 256 channels: half, by square roots.
    assert isclose(stages["conv1_1"].box.height, 4 * stages["conv3_1"].box.height)
    assert isclose(stages["conv1_1"].box.width, 4 * stages["conv3_1"].box.width)
    assert isclose(2 * stages["conv1_1"].box.thickness, stages["conv3_1"].box.thickness)
    # 4096 and 1000 neurons
    assert isclose(stages["fc8"].box.height / stages["fc6"].box.height, sqrt(1000 / 4096))


def test_width_and_height_are_scaled_alike():
    _, wide = chain_of(nn.Conv2d(1, 8, (3, 9), stride=(1, 2)), 1, 12, 69)
    # height 12 - 3 + 1 = 10; width (69 - 9) / 2 + 1 = 31
    assert wide.shape == (8, 10, 31)
    assert isclose(wide.box.width / wide.box.height, 3.1)
    assert wide.step == ("3x9", "stride 1x2")


def test_arrows_say_what_a_step_does(chain):
    stages = chain("alexnet")
    assert stages["conv1"].step == ("11x11", "stride 4")
    assert stages["pool1"].step == ("LRN", "max 3x3", "stride 2")
    assert stages["conv3"].step == ("3x3",)
    assert stages["fc6"].step == ("fully", "connected")
    assert chain("lenet")["pool1"].step == ("average 2x2", "stride 2")
    assert chain("vgg19_bn")["conv1_2"].step == ("BN", "3x3")


def test_towers_are_those_of_the_paper(chain):
    stages = chain("alexnet")
    in_towers = [stage.name for stage in stages.values() if stage.has_towers]
    assert in_towers == ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5"]
    # "the kernels of the third layer take input from all kernel maps in layer 2", and the first from the image
    assert [name for name in in_towers if stages[name].sees_all] == ["conv1", "conv3"]
    # Each tower of conv3 has 192 maps, of conv1 48: half as thick.
    assert isclose(stages["conv3"].box.thickness, 2 * stages["conv1"].box.thickness)


@pytest.mark.parametrize("model", [name for name in chains() if name != "alexnet"])
def test_other_models_have_no_towers(chain, model):
    assert not any(stage.has_towers for stage in chain(model).values())


class Shared(nn.Module):
    """As tutorials write it: one pooling layer for both places, activations as functions."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(16 * 5 * 5, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc(torch.flatten(x, 1))


def test_a_layer_used_in_two_places_is_drawn_in_both():
    stages = chain_of(Shared(), 3, 32, 32)
    # 32 - 5 + 1 = 28, halved 14, 14 - 5 + 1 = 10, halved 5
    assert [(stage.name, stage.shape, stage.step) for stage in stages] == [
        ("input", (3, 32, 32), ()),
        ("conv1", (6, 28, 28), ("5x5",)),
        ("pool", (6, 14, 14), ("max 2x2", "stride 2")),
        ("conv2", (16, 10, 10), ("5x5",)),
        ("pool", (16, 5, 5), ("max 2x2", "stride 2")),
        ("fc", (10,), ("fully", "connected")),
    ]


def test_shared_parameters_are_on_the_first_call_and_macs_on_each():
    conv = nn.Conv2d(3, 3, 3, padding=1)
    _, first, second = chain_of(nn.Sequential(conv, nn.ReLU(), conv), 3, 8, 8)
    # 3·3·3 weights a filter, 3 filters, 3 biases; 81 products at 8·8 places
    assert (first.params, second.params) == (84, 0)
    assert first.macs == second.macs == 81 * 64


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return x + self.conv(x)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (Joined(), (3, 8, 8)),
        (nn.Sequential(conv := nn.Conv2d(3, 3, 3), conv), (3, 8, 8)),  # which call made what cannot be told
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 10)), (3, 8, 8)),
        (nn.Conv1d(3, 8, 3), (3, 8)),
    ],
)
def test_what_is_no_chain_of_feature_maps(model, shape):
    assert chain_of(model, *shape) is None


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121", "vit_b_16", "googlenet"])
def test_networks_with_branches_are_no_chain(torchvision_trace, name):
    record = torchvision_trace(name)
    assert volume_chain(layer_table(record).rows, record) is None


@pytest.fixture(scope="session")
def torchvision_trace():
    def make(name):
        return trace(find(f"torchvision:{name}").build(), torch.empty(1, 3, 224, 224, device="meta"))

    return make


def test_few_maps_are_drawn_one_by_one(chain):
    # The figure of LeCun et al. 1998 shows the maps of C1 to S4; C5 has 120, of one pixel each.
    assert {name: stage.maps for name, stage in chain("lenet").items() if stage.maps} == {
        "conv1": 6, "pool1": 6, "conv2": 16, "pool2": 16,
    }  # fmt: skip
    assert not any(stage.maps for stage in chain("vgg16").values())


def test_partial_connections_are_those_that_the_layer_states(zoo_trace):
    record = zoo_trace("lenet5", 1, "eval")
    stages = {stage.name: stage for stage in volume_chain(layer_table(record).rows, record)}
    table = stages["c3"].connections
    # Table I of LeCun et al. 1998: 6 maps with 3 inputs, 9 with 4 and one with all 6; 25 weights each and 16 biases.
    assert [len(inputs) for inputs in table] == [3] * 6 + [4] * 9 + [6]
    assert sum(map(len, table)) * 25 + 16 == stages["c3"].params == 1516
    assert [name for name, stage in stages.items() if stage.connections] == ["c3"]


@pytest.mark.parametrize("stated", [None, 3, [(0, 1)], ("a", "b"), ((0.5,),), (nn.ReLU(),)])
def test_an_attribute_of_that_name_with_other_content_is_ignored(stated):
    conv = nn.Conv2d(2, 2, 3)
    conv.connections = stated
    assert chain_of(nn.Sequential(conv), 2, 8, 8)[1].connections == ()
