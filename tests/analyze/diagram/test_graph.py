from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torchvision
from torch import nn

from archbench.analyze.diagram.graph import model_graph, num_nodes, opened
from archbench.analyze.diagram.nodes import BOUNDARY, Edge
from archbench.trace.tracer import trace


def graph_of(model, *inputs):
    return model_graph(trace(model, inputs))


def torchvision_graph(name, **arguments):
    with torch.device("meta"):
        model = torchvision.models.get_model(name, **arguments)
    return graph_of(model.eval(), torch.empty(1, 3, 224, 224, device="meta"))


def find(node, *names):
    for name in names:
        (node,) = [child for child in node.children if child.name == name]
    return node


def kinds(node):
    return [child.type or child.name for child in node.children]


def pairs(node):
    """Return the edges of a graph by the names of their ends; `in` and `out` are the graph's own."""
    names = {BOUNDARY: ("in", "out"), **{i: (child.name,) * 2 for i, child in enumerate(node.children)}}
    return {(names[edge.source][0], names[edge.target][1]) for edge in node.edges}


def chain(*names):
    return set(pairwise(names))


def test_a_residual_block_has_its_skip():
    resnet = torchvision_graph("resnet50")
    first, rest = find(resnet, "layer1").children
    # Bottleneck.forward: three convolutions, and `out += identity`, which the downsample makes in the first block.
    body = [("conv1", "bn1"), ("bn1", "relu"), ("relu", "conv2"), ("conv2", "bn2"), ("bn2", "relu"), ("relu", "conv3")]
    ends = {("conv3", "bn3"), ("bn3", "add_"), ("add_", "relu"), ("relu", "out"), ("in", "conv1")}
    assert pairs(first) == {*body, *ends, ("in", "downsample"), ("downsample", "add_")}
    assert pairs(rest) == {*body, *ends, ("in", "add_")}
    # A relu that is called three times is three nodes.
    assert kinds(rest).count("ReLU") == 3


def test_equal_blocks_that_follow_each_other_are_one():
    resnet = torchvision_graph("resnet50")
    # 3, 4, 6 and 3 blocks (He et al. 2015, table 1), of which the first of each stage has a downsample.
    repeats = [[block.repeats for block in find(resnet, f"layer{i}").children] for i in (1, 2, 3, 4)]
    assert repeats == [[1, 2], [1, 3], [1, 5], [1, 2]]
    assert find(resnet, "layer3").children[1].name == "layer3.1 … 5"
    assert pairs(find(resnet, "layer3")) == chain("in", "layer3.0", "layer3.1 … 5", "out")


def test_inception_has_four_branches_side_by_side():
    module = find(torchvision_graph("googlenet", init_weights=False, aux_logits=False), "inception3a")
    branches = [f"branch{i}" for i in (1, 2, 3, 4)]
    assert pairs(module) == {
        ("cat", "out"),
        *(("in", name) for name in branches),
        *((name, "cat") for name in branches),
    }
    assert kinds(find(module, "branch2")) == ["BasicConv2d", "BasicConv2d"]


def test_a_transformer_block_has_two_residuals_and_its_heads():
    layers = find(torchvision_graph("vit_b_16"), "encoder", "layers")
    (block,) = layers.children
    assert (block.name, block.repeats) == ("encoder_layer_0 … 11", 12)
    ends = [(block.children[edge.source].name if edge.source >= 0 else "in", edge.target) for edge in block.edges]
    adds = [i for i, child in enumerate(block.children) if child.name == "add"]
    assert {source for source, target in ends if target == adds[0]} == {"in", "self_attention"}
    assert {source for source, target in ends if target == adds[1]} == {"add", "mlp"}
    heads = [child.heads for child in find(block, "self_attention").children]
    assert max(heads) == 12


class Double(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU())


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.bottom = Double(3, 4), Double(4, 8), Double(8, 16)
        self.pool = nn.MaxPool2d(2)
        self.up2, self.up1 = nn.ConvTranspose2d(16, 8, 2, 2), nn.ConvTranspose2d(8, 4, 2, 2)
        self.join2, self.join1 = Double(16, 8), Double(8, 4)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(self.pool(first))
        y = self.up2(self.bottom(self.pool(second)))
        y = self.up1(self.join2(torch.cat([second, y], 1)))
        return self.join1(torch.cat([first, y], 1))


def test_a_u_net_has_a_skip_at_each_level():
    unet = graph_of(UNet(), torch.ones(1, 3, 16, 16))
    skips = {(a, b) for a, b in pairs(unet) if b == "cat" and a.startswith("down")}
    assert skips == {("down1", "cat"), ("down2", "cat")}
    assert len([child for child in unet.children if child.name == "cat"]) == 2


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 4), nn.Linear(5, 4)

    def forward(self, a, b):
        return self.left(a) + self.right(b), b


def test_inputs_and_outputs_have_ports():
    two = graph_of(Two(), torch.ones(1, 3), torch.ones(1, 5))
    assert set(two.edges) == {
        Edge(BOUNDARY, 0, 0, 0), Edge(BOUNDARY, 1, 1, 0), Edge(0, 2), Edge(1, 2),
        Edge(2, BOUNDARY, 0, 0), Edge(BOUNDARY, BOUNDARY, 1, 1),
    }  # fmt: skip


def test_different_operators_are_never_merged():
    class Mixed(nn.Module):
        def forward(self, x):
            return x.sin().sin().cos().sin()

    mixed = graph_of(Mixed(), torch.ones(1, 3))
    assert [(child.name, child.repeats) for child in mixed.children] == [("sin", 2), ("cos", 1), ("sin", 1)]


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(3, 3)

    def forward(self, x, memory):
        return torch.tanh(self.inside(x) + memory)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = Cell()

    def forward(self, x, memory):
        for _ in range(5):
            x = self.cell(x, memory)
        return x


def test_calls_that_share_a_side_input_are_one_node():
    recurrent = graph_of(Recurrent(), torch.ones(1, 3), torch.ones(1, 3))
    (cell,) = recurrent.children
    assert (cell.name, cell.repeats) == ("cell", 5)
    assert {edge.source for edge in recurrent.edges if edge.target == 0} == {BOUNDARY}
    assert len(recurrent.edges) == 3


def test_a_model_of_one_layer_is_that_layer():
    linear = graph_of(nn.Linear(3, 4), torch.ones(1, 3))
    assert kinds(linear) == ["Linear"]
    assert pairs(linear) == chain("in", "Linear", "out")


def test_counts_are_the_models():
    resnet = torchvision_graph("resnet18")
    # He et al. 2015: 11.7 million parameters, 1.8 billion multiply-adds.
    assert (resnet.params, resnet.macs) == (11_689_512, 1_814_073_344)
    assert sum(child.params * child.repeats for child in resnet.children) == resnet.params
    assert sum(child.macs * child.repeats for child in resnet.children) == resnet.macs


def test_of_a_level_that_is_too_large_as_much_is_opened_as_fits():
    densenet = torchvision_graph("densenet121")
    # Its four blocks have 6, 12, 24 and 16 layers (Huang et al. 2017, table 1) and a concatenation each, a transition
    # four: 4 nodes of the model + 12 of its features + 7 + 4 + 13 = 40.
    features = find(opened(densenet), "features")
    blocks = [child for child in features.children if child.type == "_DenseBlock"]
    assert [block.is_opened for block in blocks] == [True, True, False, False]
    assert num_nodes(opened(densenet)) == 40


def test_a_structure_is_opened_once_where_no_depth_is_given():
    tree = opened(torchvision_graph("googlenet", init_weights=False, aux_logits=False))
    inceptions = [child for child in tree.children if child.type == "Inception"]
    assert [child.is_opened for child in inceptions] == [True] + [False] * 8
    assert num_nodes(tree) <= 40
    assert all(
        child.is_opened for child in opened(torchvision_graph("resnet18"), 2).children if child.type == "Sequential"
    )


def total(node, field):
    """Sum over nodes that are not opened, each as often as it is there."""
    inside = sum(total(child, field) for child in node.drawn) if node.is_opened else getattr(node, field)
    return node.repeats * inside


@pytest.mark.parametrize("depth", [None, 1, 2, 3, 9])
@pytest.mark.parametrize("name", ["resnet50", "vit_b_16", "mobilenet_v3_small"])
def test_parameters_and_macs_of_nodes_sum_to_the_totals(name, depth):
    whole = torchvision_graph(name)
    tree = opened(whole, depth)
    assert total(tree, "macs") == whole.macs
    # The class token and the position embedding, 768 and 197 x 768, are the model's and its encoder's own.
    own = {"vit_b_16": 768 + (197 * 768 if depth != 1 else 0)}.get(name, 0)
    assert total(tree, "params") == whole.params - own


def test_a_layer_that_a_parent_multiplies_by_is_its_operators_node():
    attention = graph_of(nn.MultiheadAttention(8, 2, batch_first=True), *[torch.ones(1, 4, 8)] * 3)
    nodes = {child.name: child for child in find(attention, *[]).children}
    assert nodes["out_proj"].type == "NonDynamicallyQuantizableLinear"
    assert nodes["out_proj"].params == 8 * 8 + 8
    # Three projections of 8 to 8 in one parameter, which the first operator that multiplies by it has.
    assert sum(child.params for child in attention.children) == 4 * (8 * 8 + 8)
