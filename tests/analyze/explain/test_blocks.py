from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archbench.analyze.explain.explain import explain
from archbench.models.address import find
from archbench.models.inputs import InputSpec
from archbench.reporting.tables.layer_notes import remark_sentences
from archbench.trace.tracer import trace
from tests.analyze.explain.test_explain import assert_follows, figures, layer_of, remarks


@pytest.fixture(scope="module")
def library():
    found = {}

    def explained(name, batch=1):
        if (name, batch) not in found:
            model = find(f"torchvision:{name}").build()
            found[name, batch] = explain(trace(model, InputSpec((3, 224, 224)).tensor(batch)))
        return found[name, batch]

    return explained


def test_what_reductions_save_in_inception_3a(library):
    layer = layer_of(library("googlenet"), "inception3a/cat")
    assert_follows(layer)
    shown = figures(layer)
    # Table 1 of Szegedy et al., with torchvision's 3x3 in place of 5x5: 64, 96 to 128, 16 to 32, 32 behind a pooling.
    positions = 28 * 28
    assert shown["MACs of branch 1"] == 192 * 64 * positions
    assert shown["MACs of branch 2"] == (192 * 96 + 9 * 96 * 128) * positions
    assert shown["MACs of branch 3"] == (192 * 16 + 9 * 16 * 32) * positions
    assert shown["MACs of branch 4"] == 192 * 32 * positions
    with_them = (192 * (64 + 96 + 16 + 32) + 9 * (96 * 128 + 16 * 32)) * positions
    without = (192 * (64 + 32) + 9 * 192 * (128 + 32)) * positions
    assert shown["MACs of the block"] == with_them
    assert shown["MACs of the block without reductions"] == without
    assert remarks(layer)["pooled"] == {"filters": 32, "maps": 192, "outputs": 256, "without": 64 + 128 + 32 + 192}
    assert "1x1 reductions save 47% of the block's MACs" in remark_sentences(layer)  # 1 - 155,136 / 294,912
    assert "joins 4 branches by concatenation: 1x1; 1x1, 3x3; 1x1, 3x3; MaxPool2d 3x3, 1x1" in remark_sentences(layer)


def test_the_published_module_has_the_operations_of_the_papers_table(zoo_trace):
    layer = layer_of(explain(zoo_trace("googlenet", 1, "eval")), "inception_3a/cat")
    # Table 1: 128M operations. 192 maps at 28x28: 64; 96 and 3x3 to 128; 16 and 5x5 to 32; 32.
    positions = 28 * 28
    expected = (192 * (64 + 96 + 16 + 32) + 9 * 96 * 128 + 25 * 16 * 32) * positions
    assert figures(layer)["MACs of the block"] == expected == 128_049_152
    without = (192 * (64 + 32) + 9 * 192 * 128 + 25 * 192 * 32) * positions
    assert figures(layer)["MACs of the block without reductions"] == without


@pytest.mark.parametrize("batch", [1, 2])
def test_what_a_bottleneck_costs(library, batch):
    layer = layer_of(library("resnet50", batch), "layer1.1/add_")
    assert_follows(layer)
    shown, positions = figures(layer), 56 * 56 * batch
    # 1x1 from 256 to 64 maps, 3x3 on 64, 1x1 to 256; two 3x3 on 64 maps, as in ResNet-34, or on 256.
    assert shown["MACs of branch 1"] == (256 * 64 + 9 * 64 * 64 + 64 * 256) * positions
    assert shown["MACs of two 3x3 on 64 maps"] == 2 * 9 * 64 * 64 * positions
    assert shown["MACs of two 3x3 on 256 maps"] == 2 * 9 * 256 * 256 * positions
    sentence = next(line for line in remark_sentences(layer) if line.startswith("bottleneck"))
    assert sentence.endswith("two 3x3 on 64 maps would cost 1.06× the MACs, on 256 maps 16.9×")


def test_a_projection_is_a_branch_of_its_own(library):
    layer = layer_of(library("resnet50"), "layer2.0/add_")
    # v1.5: the 1x1 that reduces runs at 56x56, the 3x3 has the stride.
    branch = 256 * 128 * 56 * 56 + (9 * 128 * 128 + 128 * 512) * 28 * 28
    assert figures(layer)["MACs of the block"] == branch + 256 * 512 * 28 * 28
    assert remarks(layer)["joins"]["branches"] == (("1x1", "3x3", "1x1"), ("1x1",))


def test_two_larger_convolutions_are_no_bottleneck(library):
    layer = layer_of(library("resnet18"), "layer1.0/add_")
    assert "bottleneck" not in remarks(layer)
    assert remarks(layer)["joins"] == {"how": "addition", "branches": (("3x3", "3x3"), ())}


def test_an_inverted_bottleneck_is_none(library):
    layer = layer_of(library("mobilenet_v2"), "features.3/add")
    assert {"bottleneck", "reductions"}.isdisjoint(remarks(layer))
    # 1x1 to 144 maps, a depthwise 3x3, 1x1 back to 24.
    assert figures(layer)["MACs of branch 2"] == (24 * 144 + 9 * 144 + 144 * 24) * 56 * 56


def test_branches_that_share_layers_are_no_block(library):
    assert "joins" not in remarks(layer_of(library("densenet121"), "features.denseblock1.denselayer3/cat"))


def test_the_longest_path_is_told_beside_all_weight_layers(library):
    explanation = library("googlenet")
    # Three in the stem, two in each of nine modules, one classifier; six in each module, in all.
    assert (explanation.depth, explanation.table.totals.weight_layers) == (3 + 2 * 9 + 1, 3 + 6 * 9 + 1)


class Concatenated(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


@settings(max_examples=25, deadline=None)
@given(
    maps=st.integers(2, 12), reduced=st.integers(1, 12), filters=st.integers(1, 6), kernel=st.sampled_from([3, 5]),
    batch=st.integers(1, 3),
)  # fmt: skip
def test_a_block_without_its_reduction_costs_what_the_network_without_it_does(maps, reduced, filters, kernel, batch):
    def block(with_reduction):
        layers = [nn.Conv2d(maps, reduced, 1)] if with_reduction else []
        larger = nn.Conv2d(reduced if with_reduction else maps, filters, kernel, padding=kernel // 2)
        return Concatenated(nn.Conv2d(maps, filters, 1), nn.Sequential(*layers, nn.ReLU(), larger))

    shape = (batch, maps, 6, 5)
    explanation = explain(trace(block(True), torch.empty(shape, device="meta")))
    layer = layer_of(explanation, "./cat")
    assert_follows(layer)
    assert figures(layer)["MACs of the block"] == explanation.table.totals.macs
    without = explain(trace(block(False), torch.empty(shape, device="meta"))).table.totals.macs
    expected = without if reduced < maps else None  # a 1x1 to as many maps or more reduces nothing
    assert figures(layer).get("MACs of the block without reductions") == expected
