from __future__ import annotations

from dataclasses import fields

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from archbench.address import model_names
from archbench.analyze.layers import LayerRow, layer_table
from archbench.trace.tracer import trace

SUMMED = ("params", "trainable_params", "param_bytes", "neurons", "macs", "flops", "read_bytes", "written_bytes")


def table_of(model, *shapes, dtype=torch.float32):
    return layer_table(trace(model, tuple(torch.empty(shape, dtype=dtype, device="meta") for shape in shapes)))


def names(table):
    return [row.name for row in table.rows]


def assert_rows_sum_to_totals(table, model):
    for field in SUMMED:
        assert sum(getattr(row, field) for row in table.rows) == getattr(table.totals, field), field
    assert table.totals.params == sum(parameter.numel() for parameter in model.parameters())
    assert [row.index for row in table.rows] == list(range(len(table.rows)))


@pytest.mark.parametrize("name", model_names())
def test_rows_sum_to_totals_in_the_zoo(name, zoo_summary):
    table = zoo_summary(name).table
    for field in SUMMED:
        assert sum(getattr(row, field) for row in table.rows) == getattr(table.totals, field)


@pytest.mark.parametrize(
    ("name", "shape"), [("googlenet", 224), ("densenet121", 224), ("vit_b_16", 224), ("swin_t", 224)]
)
def test_rows_sum_to_totals_in_models_of_every_kind(name, shape):
    with torch.device("meta"):
        model = torchvision.models.get_model(name, **({"init_weights": False} if name == "googlenet" else {}))
    assert_rows_sum_to_totals(table_of(model, (2, 3, shape, shape)), model)


def test_columns_are_the_contracts():
    assert [field.name for field in fields(LayerRow)] == (
        "index name type depth calls input_shape output_shape kernel stride padding groups params trainable_params "
        "neurons macs flops param_bytes output_bytes read_bytes written_bytes intensity"
    ).split()


class Mixed(nn.Module):
    """Leaves, functional calls, own parameters, a module that never runs."""

    def __init__(self):
        super().__init__()
        self.never = nn.Linear(7, 7)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.Flatten())
        self.offset = nn.Parameter(torch.zeros(4))
        self.kernel = nn.Parameter(torch.zeros(5, 4))

    def forward(self, x):
        x = self.body(x) + self.offset
        x = x + 1
        return F.linear(x, self.kernel)


def test_rows_stand_in_the_order_of_first_execution_and_parameters_after_children():
    table = table_of(Mixed(), (2, 4))
    assert names(table) == ["body.0", "body.1", "./add", "./mm", ".", "never"]
    rows = {row.name: row for row in table.rows}
    assert rows["./add"].calls == 2
    assert rows["./add"].type == "add"
    assert rows["./add"].depth == 1
    assert rows["body.1"].macs == 0  # a leaf has a row even if it only makes a view
    assert rows["."].params == 4 + 20
    assert rows["."].calls == 1
    assert (rows["never"].params, rows["never"].calls) == (56, 0)
    assert table.unread == ("never",)
    assert_rows_sum_to_totals(table, Mixed())


def test_a_root_that_is_a_leaf_is_named_by_a_point():
    assert names(table_of(nn.Linear(3, 4), (2, 3))) == ["."]


def test_functional_products_count_one_weight_layer_a_weight_and_attention_none():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.ParameterList(torch.zeros(4, 4) for _ in range(3))

        def forward(self, x):
            for weight in self.weights:
                x = F.linear(x, weight)
            x = F.linear(x, self.weights[0])
            return x @ x.transpose(-1, -2)

    table = table_of(Functional(), (2, 5, 4))
    assert table.totals.weight_layers == 3
    # Each of four products gives 5*4 elements a sample; the product of data with data is no layer of neurons.
    assert table.totals.neurons == 4 * 5 * 4


def test_a_repeated_layer_is_one_row_whose_costs_are_sums():
    class Repeated(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(self.layer(self.layer(x)))

    (row,) = table_of(Repeated(), (2, 4)).rows
    assert (row.calls, row.params, row.macs, row.neurons) == (3, 20, 3 * 2 * 16, 3 * 4)
    assert row.output_bytes == 3 * 2 * 4 * 4


def test_parameters_of_an_attention_projection_are_used_though_it_is_not_called():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    table = table_of(attention, (2, 5, 8), (2, 5, 8), (2, 5, 8))
    (projection,) = [row for row in table.rows if row.name == "out_proj"]
    assert (projection.calls, projection.params) == (0, 72)
    assert table.unread == ()


def test_windows_are_shown_where_all_calls_of_a_leaf_agree():
    class TwoKernels(nn.Module):
        def forward(self, x, a, b):
            return F.conv2d(x, a), F.conv2d(x, b)

    (row,) = table_of(TwoKernels(), (1, 2, 9, 9), (3, 2, 5, 5), (3, 2, 3, 3)).rows
    assert row.kernel is None
    assert (row.stride, row.padding, row.groups) == ((1, 1), (0, 0), 1)


def test_uncounted_operators_are_listed_with_their_calls():
    class Sorts(nn.Module):
        def forward(self, x):
            return x.sort()[0].sort()[0] + 1

    assert table_of(Sorts(), (5,)).uncounted == {"aten.sort": 2}


def test_half_precision_halves_the_bytes():
    model = nn.Linear(4, 4)
    single = table_of(model, (2, 4)).totals
    half = table_of(model.bfloat16(), (2, 4), dtype=torch.bfloat16).totals
    assert half.param_bytes * 2 == single.param_bytes
    assert half.read_bytes * 2 == single.read_bytes
    assert half.macs == single.macs


layers = st.one_of(
    st.tuples(st.just("conv"), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2)),
    st.tuples(st.just("pool"), st.integers(1, 2)),
    st.tuples(st.just("relu")),
    st.tuples(st.just("branch"), st.integers(1, 3)),
)


class Branch(nn.Module):
    def __init__(self, channels, kernel):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding="same")

    def forward(self, x):
        return self.conv(x) + x


def build(rows):
    modules, channels = [], 2
    for kind, *numbers in rows:
        if kind == "conv":
            filters, kernel, stride = numbers
            modules.append(nn.Conv2d(channels, filters, kernel, stride, padding=kernel // 2))
            channels = filters
        elif kind == "pool":
            modules.append(nn.MaxPool2d(numbers[0]))
        elif kind == "branch":
            modules.append(Branch(channels, numbers[0]))
        else:
            modules.append(nn.ReLU())
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(channels * 4, 3))


def macs_by_loops(model, x):
    """Run the model on real numbers and count one for every product that a loop over the definition would form."""
    count = 0

    def hook(module, inputs, output):
        nonlocal count
        for element in range(output.numel()):
            del element
            if isinstance(module, nn.Conv2d):
                for _ in range(module.in_channels // module.groups):
                    for _ in range(module.kernel_size[0]):
                        count += module.kernel_size[1]
            else:
                count += module.in_features

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(hook)
    model(x)
    return count


@settings(max_examples=40, deadline=None)
@given(st.lists(layers, max_size=5), st.integers(1, 2))
def test_random_networks_are_counted_like_brute_force_loops(rows, batch):
    model = build(rows)
    table = table_of(model, (batch, 2, 9, 9))
    assert_rows_sum_to_totals(table, model)
    assert table.uncounted == {}
    assert table.totals.macs == macs_by_loops(model, torch.zeros(batch, 2, 9, 9))
