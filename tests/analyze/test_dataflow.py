from __future__ import annotations

import networkx
import pytest
import torch
from torch import nn

from archbench.analyze.dataflow import INPUT, between, calls_of, dominators, weight_depth
from archbench.models.address import find
from archbench.models.inputs import InputSpec
from archbench.trace.tracer import trace


def calls(model, *shape):
    return calls_of(trace(model, torch.empty(shape, device="meta")))


@pytest.fixture(scope="module")
def library():
    def calls_in(name):
        return calls_of(trace(find(f"torchvision:{name}").build(), InputSpec((3, 224, 224)).tensor(1)))

    return calls_in


# The depths that the papers state; the weight layers are counted without regard to paths.
@pytest.mark.parametrize(
    ("name", "depth"), [("vgg16", 16), ("googlenet", 22), ("resnet18", 18), ("resnet152", 152), ("densenet121", 121)]
)
def test_the_longest_path_has_the_depth_in_the_papers_title(library, name, depth):
    assert weight_depth(library(name)) == depth


def test_parallel_convolutions_of_one_layer_are_one_deep(zoo_trace):
    # C1, C3 (ten convolutions side by side), C5, F6, output.
    assert weight_depth(calls_of(zoo_trace("lenet5", 1, "eval"))) == 5


def test_products_in_sequence_inside_one_module_are_counted_each():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3, 3))

        def forward(self, x):
            return x @ self.a @ self.b

    assert weight_depth(calls(nn.Sequential(Twice()), 2, 3)) == 2


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))

    def forward(self, x):
        y = self.a(x)
        z = self.b(y).relu_()
        z += y.view(y.shape)
        return self.c(torch.cat([z, y], 1)[:, :4])


def test_views_and_operators_in_place_keep_the_maker():
    found = {call.row: call.sources for call in calls(Block(), 1, 4, 8, 8)}
    assert found == {"a": (INPUT,), "b": (0,), "./relu_": (1,), "./add_": (2, 0), "./cat": (3, 0), "c": (4,)}


def test_tensors_computed_without_data_are_no_sources():
    class Buffer(Block):  # whose operators have rows of their own, since it has children
        def forward(self, x):
            out = torch.zeros(1, 4, 8, 8)
            out[:, :2] = x[:, :2] * torch.arange(8.0)
            return out + 1

    found = [(call.row, call.sources) for call in calls(Buffer(), 1, 4, 8, 8)]
    assert found == [("./mul", (INPUT,)), ("./copy_", (0,)), ("./add", (1,))]


@pytest.mark.parametrize("name", ["googlenet", "resnet50", "densenet121", "inception_v3", "efficientnet_b0"])
def test_dominators_are_those_of_a_graph_library(library, name):
    found = library(name)
    graph = networkx.DiGraph((source, number) for number, call in enumerate(found) for source in call.sources)
    expected = networkx.immediate_dominators(graph, INPUT)
    expected.pop(INPUT, None)  # in some versions it is its own
    assert dict(enumerate(dominators(found))) == expected


def test_calls_between_a_fork_and_a_join_are_those_of_all_branches():
    found = calls(Block(), 1, 4, 8, 8)
    # From a's output: b, relu_ and add_ lead to cat, which is the last.
    assert between(found, dominators(found)[4], 4) == {1, 2, 3, 4}
