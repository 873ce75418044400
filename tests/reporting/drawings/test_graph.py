from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

from archbench.analyze.diagram.graph import model_graph, num_nodes, opened
from archbench.analyze.diagram.nodes import BOUNDARY, Edge, Node
from archbench.models.address import find
from archbench.reporting.drawings.boxes import arranged
from archbench.reporting.drawings.canvas import Canvas
from archbench.reporting.drawings.graph import Painter, graph_svg, with_ends
from archbench.trace.tracer import trace
from tests.helpers.golden_figures import models_with_layers
from tests.helpers.pictures import SVG, assert_legible, text_boxes

TORCHVISION = (
    "resnet50", "vit_b_16", "densenet121", "swin_t", "googlenet", "inception_v3", "mobilenet_v3_small",
    "efficientnet_b0", "shufflenet_v2_x0_5", "convnext_tiny", "resnet152",
)  # fmt: skip


@pytest.fixture(scope="session")
def graph():
    made = {}

    def make(name):
        if name not in made:
            record = trace(find(f"torchvision:{name}").build().eval(), torch.empty(1, 3, 224, 224, device="meta"))
            made[name] = model_graph(record)
        return made[name]

    return make


def boxes_of(node):
    """Return the rectangle of each box of a graph in the picture, with its box; lines are by their points."""
    whole = with_ends(node, [(3, 224, 224)])
    boxes, lines = [], []

    def collect(box, x, y):
        lines.extend([(a + x, b + y) for a, b in line.points] for line in box.lines)
        for inner in box.boxes:
            left, top = x + inner.x, y + inner.y
            boxes.append((inner, (left, top, left + inner.width, top + inner.height)))
            collect(inner, left, top)

    collect(arranged(whole, Painter(Canvas(), node).size), 0.0, 0.0)
    return boxes, lines


def contains(outer, inner):
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def assert_well_placed(node):
    """Hold that boxes are apart or one inside the other, that arrows point downwards and cross no closed box."""
    boxes, lines = boxes_of(node)
    for (_, a), (_, b) in combinations(boxes, 2):
        is_apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert is_apart or contains(a, b) or contains(b, a)
    for (x, top), (_, leave), (end_x, enter), (_, bottom) in lines:
        assert top <= leave <= enter <= bottom
        for box, (left, upper, right, lower) in boxes:
            for at, start, end in ((x, top, leave), (end_x, enter, bottom)):
                assert box.boxes or not (left < at < right and upper < end - 1e-6 and start + 1e-6 < lower)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [None, 1, 3])
@pytest.mark.parametrize("name", TORCHVISION)
def test_boxes_and_labels_are_apart_and_arrows_point_downwards(graph, name, depth):
    node = opened(graph(name), depth)
    assert_well_placed(node)
    assert_legible(graph_svg(node, name, [(3, 224, 224)]))


@pytest.mark.slow
@pytest.mark.parametrize("model", models_with_layers())
def test_the_zoos_graphs_are_well_placed(zoo_trace, model):
    node = opened(model_graph(zoo_trace(model, 1, "eval")))
    assert_well_placed(node)
    assert_legible(graph_svg(node, model, [(3, 224, 224)]))


def test_a_graph_is_well_placed(graph):
    node = opened(graph("resnet50"))
    assert num_nodes(node) <= 40
    assert_well_placed(node)
    assert_legible(graph_svg(node, "resnet50", [(3, 224, 224)]))


def test_the_skip_is_to_the_right_of_the_blocks_that_it_skips(graph):
    boxes, lines = boxes_of(opened(graph("resnet50")))
    (block,) = [place for box, place in boxes if box.node.name == "layer1.1 … 2"]
    inside = [place for box, place in boxes if contains(block, place) and not box.boxes]
    rightmost = max(right for _, _, right, _ in inside)
    skip = [points for points in lines if points[0][0] > rightmost and contains(block, (*points[0], *points[-1]))]
    # From the row of conv1 to that of bn3: eight rows.
    assert len(skip) >= 7
    assert len({round(x, 3) for points in skip for x, _ in points[:2]}) == 1


def groups(svg):
    return [group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if group.get("class") == "block"]


def test_boxes_have_name_type_shape_and_bars_of_shares():
    inner = Node("fc", "Linear", "fc", (10,), 3, 0)
    other = Node("conv", "Conv2d", "conv", (4, 8, 8), 1, 5)
    whole = Node("Net", "Net", ".", (10,), 4, 5, children=(other, inner), edges=(Edge(0, 1),))
    conv, fc = [group for group in groups(graph_svg(whole, "net", [(3, 8, 8)])) if "input" not in group[0].text][:2]
    assert ["".join(text.itertext()) for text in fc.iter(f"{SVG}text")] == ["fc", "Linear", "10"]
    assert ["".join(text.itertext()) for text in conv.iter(f"{SVG}text")] == ["conv", "Conv2d", "4x8x8"]

    def shares(group):
        widths = [float(bar.get("width")) for bar in group.iter(f"{SVG}rect") if bar.get("stroke") is None]
        return [part / full for full, part in zip(widths[::2], widths[1::2], strict=True)]

    # 1 of 4 parameters and all MACs; 3 of 4 parameters and none.
    assert shares(conv) == [pytest.approx(1 / 4, abs=1e-3), 1]
    assert shares(fc) == [pytest.approx(3 / 4, abs=1e-3), 0]


def test_repeated_blocks_and_heads_are_sheets():
    def sheets(**fields):
        node = Node("block", "Block", "block", (4,), 8, 8, **fields)
        whole = Node("Net", "Net", ".", (4,), 8, 8, children=(node,), edges=(Edge(BOUNDARY, 0), Edge(0, BOUNDARY)))
        _, block, _ = groups(graph_svg(whole, "net", [(4,)]))
        return len([shape for shape in block.iter(f"{SVG}rect") if shape.get("rx") == "5"])

    # One behind the tinted one, and two more.
    assert (sheets(), sheets(repeats=3), sheets(heads=12)) == (2, 4, 4)


def test_each_input_is_a_box():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(3, 4), nn.Linear(5, 4)

        def forward(self, a, b):
            return self.left(a) + self.right(b)

    record = trace(Two(), (torch.ones(1, 3), torch.ones(1, 5)))
    svg = graph_svg(opened(model_graph(record)), "two", [info.shape[1:] for info in record.inputs])
    left, right = (box for text, box in text_boxes(svg) if text in ("input 13", "input 25"))
    assert left[1] == right[1]


def test_a_picture_is_accessible_stable_and_needs_nothing_outside(graph):
    svg = graph_svg(opened(graph("resnet50")), "resnet50", [(3, 224, 224)])
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text
    assert root.find(f"{SVG}desc").text
    assert float(root.get("width")) == float(root.get("viewBox").split()[2])
    assert "href" not in svg
    assert svg.count("http") == 1  # the namespace
    assert svg == graph_svg(opened(graph("resnet50")), "resnet50", [(3, 224, 224)])


def test_names_are_escaped_and_long_ones_shortened():
    child = Node("<&>" + 90 * "x", "T" * 90, "x", (2, 3), 1, 0)
    svg = graph_svg(Node("model", "Model", ".", None, 1, 0, children=(child,)), 'a "b" & <c>', [(3,)])
    assert_legible(svg)
    texts = [text for text, _ in text_boxes(svg)]
    assert texts[0] == 'a "b" & <c>'
    assert any(text.startswith("<&>xxx") and len(text) < 100 for text in texts)


def test_inside_a_page_a_picture_takes_on_its_colours_and_alone_follows_the_theme(graph):
    svg = graph_svg(opened(graph("resnet50"), 1), "resnet50", [(3, 224, 224)])
    assert 'fill="var(--paper, #ffffff)"' in svg
    assert "prefers-color-scheme: dark" in svg
    assert 'fill="#ffffff"' not in svg
