from __future__ import annotations

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from archbench.analyze.layers import as_record, layer_table
from archbench.trace.tracer import trace


def table_of(model, *shapes, dtype=torch.float32, mode="eval"):
    inputs = tuple(torch.empty(shape, dtype=dtype, device="meta") for shape in shapes)
    return layer_table(trace(model, inputs, mode=mode))


def names(table):
    return [row.name for row in table.rows]


def assert_rows_hold_everything(record, table, model):
    """Rows and totals are made from the same operations; none may be lost or counted twice on the way."""
    forward = [operation for operation in record.operations if not operation.is_backward]
    for field in ("macs", "flops", "read_bytes", "written_bytes"):
        happened = sum(getattr(operation, field) for operation in forward)
        assert sum(getattr(row, field) for row in table.rows) == getattr(table.totals, field) == happened, field
    parameters = list(model.parameters())
    assert sum(row.params for row in table.rows) == table.totals.params == sum(p.numel() for p in parameters)
    assert sum(row.param_bytes for row in table.rows) == sum(p.numel() * p.element_size() for p in parameters)
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    assert sum(row.trainable_params for row in table.rows) == table.totals.trainable_params == trainable
    assert [row.index for row in table.rows] == list(range(len(table.rows)))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize(
    "name", ["googlenet", "densenet121", "vit_b_16", "swin_t", "convnext_tiny", "mobilenet_v3_small", "resnet18"]
)
def test_nothing_is_lost_and_torchs_flop_counter_agrees(name, mode):
    # FlopCounterMode counts two for each multiply-accumulate. Its gradient of a grouped convolution's weight is
    # wrong, so models with groups are compared forward only.
    with torch.device("meta"):
        model = torchvision.models.get_model(name, **({"init_weights": False} if name == "googlenet" else {}))
    image = torch.empty(2, 3, 224, 224, device="meta")
    record = trace(model, image, mode=mode)
    table = layer_table(record)
    assert_rows_hold_everything(record, table, model)
    assert table.uncounted == {}
    model.train(mode == "train")
    with FlopCounterMode(display=False) as counter:
        out = model(image)
        if mode == "train" and name not in ("convnext_tiny", "mobilenet_v3_small"):
            sum(tensor.sum() for tensor in (out if isinstance(out, tuple) else (out,)) if tensor is not None).backward()
            assert table.totals.training_macs == counter.get_total_flops() / 2
        else:
            assert table.totals.macs == counter.get_total_flops() / 2


def test_columns_are_the_contracts():
    contract = (
        "index name type depth calls input_shape output_shape kernel stride padding groups params trainable_params "
        "neurons macs flops param_bytes output_bytes read_bytes written_bytes intensity"
    ).split()
    assert list(as_record(table_of(nn.Linear(2, 2), (1, 2)).rows[0])) == contract
    training = table_of(nn.Linear(2, 2), (1, 2), mode="train")
    assert list(as_record(training.rows[0])) == [*contract, "backward_macs", "backward_flops"]


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


def test_rows_stand_in_the_order_of_first_execution_and_unmultiplied_parameters_after_children():
    table = table_of(Mixed(), (2, 4))
    assert names(table) == ["body.0", "body.1", "./add", ".", "never"]
    rows = {row.name: row for row in table.rows}
    assert rows["./add"].calls == 2
    assert rows["./add"].type == "add"
    assert rows["./add"].depth == 1
    assert rows["body.1"].macs == 0  # a leaf has a row even if it only makes a view
    assert rows["."].params == 4 + 20
    assert rows["."].macs == 2 * 4 * 5
    assert (rows["."].calls, rows["."].input_shape, rows["."].output_shape) == (1, (2, 4), (2, 5))
    assert (rows["never"].params, rows["never"].calls) == (56, 0)
    assert table.unread == ("never",)
    model = Mixed()
    record = trace(model, torch.empty(2, 4))
    assert_rows_hold_everything(record, layer_table(record), model)


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


def test_windows_are_shown_where_all_calls_of_a_leaf_agree():
    class TwoKernels(nn.Module):
        def forward(self, x, a, b):
            return F.conv2d(x, a), F.conv2d(x, b)

    (row,) = table_of(TwoKernels(), (1, 2, 9, 9), (3, 2, 5, 5), (3, 2, 3, 3)).rows
    assert row.kernel is None
    assert (row.stride, row.padding, row.groups) == ((1, 1), (0, 0), 1)


def test_uncounted_operators_are_listed_with_their_calls():
    class Bessel(nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(torch.special.bessel_j0(x)) + 1

    assert table_of(Bessel(), (5,)).uncounted == {"aten.special_bessel_j0": 2}


def test_half_precision_halves_the_bytes():
    model = nn.Linear(4, 4)
    single = table_of(model, (2, 4)).totals
    half = table_of(model.bfloat16(), (2, 4), dtype=torch.bfloat16).totals
    assert half.param_bytes * 2 == single.param_bytes
    assert half.read_bytes * 2 == single.read_bytes
    assert half.macs == single.macs


def test_a_leaf_of_the_users_own_counts_each_of_its_weights():
    class TwoProducts(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.head = nn.Parameter(torch.zeros(8, 4)), nn.Parameter(torch.zeros(3, 8))

        def forward(self, x):
            return F.linear(F.linear(x, self.hidden), self.head)

    totals = table_of(TwoProducts(), (2, 4)).totals
    assert (totals.weight_layers, totals.neurons) == (2, 8 + 3)


def test_a_buffer_that_data_is_written_into_is_no_weight():
    class Cache(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.register_buffer("kept", torch.zeros(2, 4))

        def forward(self, x):
            self.kept.copy_(self.layer(x))
            return x @ self.kept.t()

    totals = table_of(Cache(), (2, 4)).totals
    assert (totals.weight_layers, totals.neurons) == (1, 4)


class Frozen(nn.Module):
    """A frozen first layer, a trainable second: neither needs the first's gradients."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 6)
        self.first.requires_grad_(False)

    def forward(self, x):
        return self.second(self.first(x))


def backward_macs(model, *inputs):
    table = layer_table(trace(model, inputs, mode="train"))
    return {row.name: row.backward_macs for row in table.rows if row.macs or row.backward_macs}


def test_frozen_layers_cost_no_backward_pass():
    # The second layer's weight gradient alone: 2 samples, 5 x 6.
    assert backward_macs(Frozen(), torch.empty(2, 4)) == {"first": 0, "second": 2 * 30}
    # With a gradient for the input both pass it down, 2 x (5 x 6 + 4 x 5), but the first still has none of its own.
    image = torch.empty(2, 4, requires_grad=True)
    assert backward_macs(Frozen(), image) == {"first": 2 * 20, "second": 2 * 60}


def test_a_backward_operator_stands_on_the_row_of_the_forward_call_that_it_belongs_to():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Linear(4, 4)
            self.weight = nn.Parameter(torch.zeros(4, 4))

        def forward(self, x):
            return F.relu(self.body(x) @ self.weight)

    table = table_of(Functional(), (2, 4), mode="train")
    rows = {row.name: (row.calls, row.backward_macs, row.backward_flops) for row in table.rows}
    assert set(rows) == {"body", "./relu", "."}
    assert rows["."] == (1, 2 * 32, 4 * 32)
    assert rows["./relu"] == (1, 0, 8)
    assert rows["body"][1] == 32  # the weight's gradient; the input needs none


def test_grouped_and_depthwise_convolutions_cost_their_own_share_backward():
    # Each forward product has one product in the weight's gradient and one in the input's.
    image = torch.empty(2, 4, 6, 6, requires_grad=True)
    for groups in (1, 2, 4):
        forward = 2 * 8 * 16 * (4 // groups) * 9
        assert backward_macs(nn.Conv2d(4, 8, 3, groups=groups), image) == {".": 2 * forward}
    transposed = nn.ConvTranspose2d(4, 8, 3, groups=2)
    assert backward_macs(transposed, image) == {".": 2 * (2 * 4 * 36 * 4 * 9)}


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_activation_checkpointing_counts_what_is_computed_again(use_reentrant):
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

        def forward(self, x):
            return checkpoint(self.block, x, use_reentrant=use_reentrant)

    image = torch.empty(2, 4, requires_grad=True)
    table = layer_table(trace(Checkpointed(), image, mode="train"))
    rows = {row.name: row for row in table.rows}
    # Forward 2 x 16 a layer; backward twice that and, computed again, the forward pass once more. Where it is known
    # that nothing below needs the last layer's output, torch does not compute that one again.
    assert [rows[name].macs for name in ("block.0", "block.2")] == [32, 32]
    assert [rows[name].calls for name in ("block.0", "block.2")] == [1, 1]
    again = 32 if use_reentrant else 0
    assert [rows[name].backward_macs for name in ("block.0", "block.2")] == [3 * 32, 2 * 32 + again]
    assert set(rows) == {"block.0", "block.1", "block.2"}


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_a_checkpointed_method_keeps_its_own_products(use_reentrant):
    class Method(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 4))
            self.layer = nn.Linear(4, 4, bias=False)

        def forward(self, x):
            return checkpoint(lambda y: self.layer(F.linear(y, self.weight)), x, use_reentrant=use_reentrant)

    image = torch.empty(2, 4, requires_grad=True)
    table = layer_table(trace(nn.Sequential(Method()), image, mode="train"))
    rows = {row.name: (row.macs, row.backward_macs) for row in table.rows if row.macs or row.backward_macs}
    # 32 forward, 64 for both gradients, and 32 again where the product is computed again: always the first one, the
    # last one only where torch does not stop early.
    assert rows == {"0": (32, 96), "0.layer": (32, 96 if use_reentrant else 64)}


def test_writing_into_a_view_is_on_the_layer_that_wrote():
    class Writes(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 2))

        def forward(self, x):
            y = x * 1.0
            y[:, :2].addmm_(x, self.weight)
            return y

    image = torch.empty(3, 4, requires_grad=True)
    table = layer_table(trace(nn.Sequential(Writes()), image, mode="train"))
    assert [(row.name, row.macs, row.backward_macs) for row in table.rows if row.macs] == [("0", 24, 48)]
    assert all(row.name.startswith("0") for row in table.rows)


@pytest.mark.parametrize(
    ("model", "shape", "doubts"),
    [
        (nn.TransformerEncoderLayer(8, 2, 16), (5, 2, 8), set()),
        (nn.LSTM(3, 4), (5, 2, 3), {"fused recurrence"}),
        (nn.Linear(4, 4), (2, 4), set()),
    ],
)
def test_the_figures_of_recurrent_layers_have_a_caveat(model, shape, doubts):
    assert layer_table(trace(model, torch.empty(shape))).doubts == doubts


def test_a_backward_pass_that_cannot_be_is_said():
    class Detaches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(x).detach()

    assert table_of(Detaches(), (2, 4), mode="train").doubts == {"no backward"}


def test_custom_functions_are_counted_in_both_passes():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            return x @ weight

        @staticmethod
        def backward(ctx, grad):
            x, weight = ctx.saved_tensors
            return grad @ weight.t(), x.t() @ grad

    class Uses(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 4))

        def forward(self, x):
            return Square.apply(x, self.weight)

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Uses()

        def forward(self, x):
            return self.inner(x)

    table = table_of(Outer(), (2, 4), mode="train")
    assert [(row.name, row.macs, row.backward_macs) for row in table.rows] == [("inner", 32, 64)]


def test_repeated_shared_and_reentered_modules_get_their_own_backward_operations():
    class Tangled(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = nn.Linear(4, 4, bias=False)
            self.pair = nn.ModuleList([nn.Linear(4, 4, bias=False), self.shared])
            self.other = nn.ModuleDict({"only": nn.Linear(4, 4, bias=False)})

        def forward(self, x, depth=1):
            x = self.pair[1](self.shared(x))
            x = self.other["only"](self.pair[0](x))
            return self.forward(x, 0) if depth else x

    image = torch.empty(2, 4, requires_grad=True)
    table = layer_table(trace(Tangled(), image, mode="train"))
    rows = {row.name: (row.calls, row.macs, row.backward_macs) for row in table.rows if row.macs}
    # 2 samples x 16 a call; backward twice the forward products.
    assert rows == {"shared": (4, 128, 256), "pair.0": (2, 64, 128), "other.only": (2, 64, 128)}


def test_the_model_has_no_gradients_afterwards():
    model = Frozen()
    image = torch.empty(2, 4, requires_grad=True)
    trace(model, image, mode="train")
    assert all(parameter.grad is None for parameter in model.parameters())
    assert image.grad is None


rows_of_a_network = st.one_of(
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
    """Run the model on real numbers and count, by loops over the definition, the products of both passes.

    Forward, each output element is a sum of products of an input and a weight. Backward, each such product gives one
    to the gradient of the weight, and one to that of the input where that needs a gradient.
    """
    forward = backward = 0

    def hook(module, inputs, output):
        nonlocal forward, backward
        products = 0
        for _ in range(output.numel()):
            if isinstance(module, nn.Conv2d):
                for _ in range(module.in_channels // module.groups):
                    for _ in range(module.kernel_size[0]):
                        products += module.kernel_size[1]
            else:
                products += module.in_features
        forward += products
        backward += products * (1 + inputs[0].requires_grad)

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(hook)
    model(x)
    return forward, backward


@settings(max_examples=40, deadline=None)
@given(st.lists(rows_of_a_network, max_size=4), st.integers(1, 2), st.booleans())
def test_random_networks_are_counted_like_brute_force_loops(rows, batch, input_needs_gradient):
    model = build(rows)
    image = torch.zeros(batch, 2, 17, 17, requires_grad=input_needs_gradient)
    record = trace(model, image, mode="train")
    table = layer_table(record)
    assert_rows_hold_everything(record, table, model)
    assert table.uncounted == {}
    forward, backward = macs_by_loops(model, image)
    assert table.totals.macs == forward
    assert sum(row.backward_macs for row in table.rows) == backward
    assert table.totals.training_macs == forward + backward
