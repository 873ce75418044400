"""The makers and readers of tensors, against torch.fx as an independent oracle."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torchvision
from torch import fx, nn

from archbench.analyze.tensor_flow import OUTPUT, computing, tensor_flow
from archbench.trace.tracer import trace

# Modules and functions that compute nothing in mode eval, or make views only.
_VIEWS = (
    "Dropout",
    "Flatten",
    "Identity",
    "flatten",
    "getattr",
    "getitem",
    "view",
    "permute",
    "dropout",
    "size",
    "chunk",
    "transpose",
)
# The operators that ran for a function of another name; global average pooling is a mean.
_ATEN = {"iadd": "add", "adaptive_avg_pool2d": "mean"}


def fx_edges(model):
    """Return how often one leaf module or function feeds another, by torch.fx, which follows Python values."""
    graph = fx.symbolic_trace(model).graph
    modules = dict(model.named_modules())

    def label(node):
        if node.op in ("placeholder", "output"):
            return node.op
        name = node.target if isinstance(node.target, str) else node.target.__name__
        return name if node.op == "call_module" else _ATEN.get(name, name)

    def is_view(node):
        kind = type(modules[node.target]).__name__ if node.op == "call_module" else label(node)
        return kind in _VIEWS

    def makers(node):
        return {node} if not is_view(node) else {maker for arg in node.all_input_nodes for maker in makers(arg)}

    return Counter(
        (label(maker), label(node))
        for node in graph.nodes
        if not is_view(node) and node.op != "get_attr"
        for maker in {maker for arg in node.all_input_nodes for maker in makers(arg)}
    )


def traced_edges(model, *inputs):
    """Return the same from the storages of the operators that ran."""
    record = trace(model, inputs)
    operations = {operation.step: operation for operation in computing(record)}

    def label(step):
        if step <= 0:
            return "output" if step == OUTPUT else "placeholder"
        operation = operations[step]
        if record.runs_in_leaf(operation) and record.layers[operation.layer].depth:
            return record.row_of(operation)
        return operation.origin.partition(".")[2].removesuffix("_")

    return Counter((label(flow.source), label(flow.target)) for flow in tensor_flow(record))


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "densenet121", "squeezenet1_1", "mobilenet_v3_small"])
def test_makers_and_readers_are_those_of_torch_fx(name):
    with torch.device("meta"):
        arguments = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
        model = torchvision.models.get_model(name, **arguments).eval()
    expected = fx_edges(model)
    assert len(expected) > 50
    assert traced_edges(model, torch.empty(1, 3, 224, 224, device="meta")) == expected


class InPlace(nn.Module):
    """Writes to a view of its input's copy, then reads the whole."""

    def forward(self, x):
        y = x.exp()
        y[:, :2].mul_(3.0)
        return y.sin()


def test_an_operator_in_place_is_read_through_other_views():
    assert traced_edges(InPlace(), torch.ones(1, 4)) == Counter(
        [("placeholder", "exp"), ("exp", "mul"), ("mul", "sin"), ("sin", "output")]
    )


class Halves(nn.Module):
    """Fills an empty tensor in two parts."""

    def forward(self, x):
        y = torch.empty(1, 4)
        y[:, :2] = x.exp()
        y[:, 2:] = x.sin()
        return y.tan()


def test_a_tensor_written_in_parts_has_several_makers():
    assert traced_edges(Halves(), torch.ones(1, 2)) == Counter(
        [("placeholder", "exp"), ("placeholder", "sin"), ("exp", "copy"), ("sin", "copy")]
        + [("copy", "tan")] * 2
        + [("tan", "output")]
    )


def test_weights_and_generated_values_have_no_maker():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(3))
            self.identity = nn.Identity()

        def forward(self, x):
            return self.identity(x + self.shift) * torch.ones(3)

    assert traced_edges(Masked(), torch.ones(1, 3)) == Counter(
        [("placeholder", "add"), ("add", "mul"), ("mul", "output")]
    )
