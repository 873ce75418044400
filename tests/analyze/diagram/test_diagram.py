from __future__ import annotations

from math import isclose, sqrt

import pytest
import torch
from torch import nn

from archbench.analyze.diagram.blocks import block_tree, num_blocks
from archbench.analyze.diagram.volumes import volume_chain
from archbench.analyze.layers import layer_table
from archbench.models.address import find
from archbench.trace.tracer import trace
from archbench.units import format_dimensions
from tests.helpers.golden_figures import layers_of, models_with_layers


def chain_of(model, *shape):
    record = trace(model, torch.empty(1, *shape))
    return volume_chain(layer_table(record).rows, record)


def tree_of(model, *shape, depth=None):
    record = trace(model, torch.empty(1, *shape))
    return block_tree(layer_table(record).rows, record.layers, depth)


@pytest.fixture(scope="session")
def chain(zoo_trace):
    def make(name):
        record = zoo_trace(name, 1, "eval")
        stages = volume_chain(layer_table(record).rows, record)
        assert stages is not None
        return {stage.name: stage for stage in stages}

    return make


@pytest.mark.parametrize("model", models_with_layers())
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


@pytest.mark.parametrize("model", [name for name in models_with_layers() if name != "alexnet"])
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


def leaf_params(block):
    """Sum over blocks that are not opened, each as often as it is there."""
    inside = sum(leaf_params(child) for child in block.children) if block.children else block.params
    return block.repeats * inside


@pytest.mark.parametrize("depth", [None, 1, 2, 3, 9])
@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "mobilenet_v3_small"])
def test_parameters_and_macs_of_blocks_sum_to_the_totals(torchvision_trace, name, depth):
    record = torchvision_trace(name)
    table = layer_table(record)
    tree = block_tree(table.rows, record.layers, depth)
    assert (leaf_params(tree), tree.macs) == (table.totals.params, table.totals.macs)


def test_the_usual_depth_leaves_at_most_forty_blocks(torchvision_trace):
    record = torchvision_trace("resnet50")
    rows = layer_table(record).rows
    tree = block_tree(rows, record.layers)
    assert tree == block_tree(rows, record.layers, 2)
    # Six layers of the stem and head, four stages, in each a first block and equal others.
    assert num_blocks(tree) == 6 + 4 + 4 * 2
    assert num_blocks(block_tree(rows, record.layers, 3)) > 40


def test_equal_siblings_are_one_block(torchvision_trace):
    record = torchvision_trace("resnet50")
    layer3 = next(block for block in block_tree(layer_table(record).rows, record.layers).children if "3" in block.name)
    assert [(block.name, block.type, block.repeats) for block in layer3.children] == [
        ("0", "Bottleneck", 1),
        ("1 … 5", "Bottleneck", 5),
    ]
    assert layer3.children[1].output_shape == (1024, 14, 14)


def test_siblings_that_differ_stay_apart():
    alike, other = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
    tree = tree_of(nn.Sequential(alike, nn.Linear(4, 4), other, nn.Linear(4, 4)), 4)
    assert [(block.name, block.params, block.repeats) for block in tree.children] == [
        ("0 … 1", 20, 2),
        ("2", 16, 1),
        ("3", 20, 1),
    ]


def test_different_operators_are_not_equal_blocks():
    class Wave(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, x):
            return self.inner(x).sin().cos()

    tree = tree_of(Wave(), 4)
    assert [(block.name, block.repeats) for block in tree.children] == [("inner", 1), ("sin", 1), ("cos", 1)]


def test_operators_and_own_parameters_have_blocks():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))
            self.inner = nn.Linear(4, 4)

        def forward(self, x):
            return self.inner(x) * self.weight

    blocks = tree_of(Scaled(), 4).children
    assert {(block.name, block.type, block.output_shape, block.params) for block in blocks} == {
        ("inner", "Linear", (4,), 20),
        ("mul", "operator", (4,), 0),
        ("own parameters", "", None, 4),
    }


def test_a_model_of_one_layer_is_one_block():
    tree = tree_of(nn.Linear(4, 4), 4)
    assert (tree.name, tree.params, tree.children) == ("Linear", 20, ())


def test_projections_in_functions_of_attention_have_their_shapes():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            return self.attn(x, x, x)[0]

    (attention,) = tree_of(Attends(), 5, 8, depth=2).children
    shapes = {block.name: (block.output_shape, block.params, block.macs) for block in attention.children if block.macs}
    assert shapes["own parameters"] == ((5, 24), 3 * 8 * 8 + 3 * 8, 5 * 8 * 24)
    assert shapes["out_proj"] == ((5, 8), 8 * 8 + 8, 5 * 8 * 8)
