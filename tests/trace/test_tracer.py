from __future__ import annotations

import copy
import dataclasses
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archbench.errors import ForwardError, InputError, UsageError
from archbench.trace.tracer import trace
from tests.helpers.models import Hesitant, ReadsValues


def ran(record):
    """Return (path of the layer, operator) for each operator that is not a view."""
    return [(record.layers[op.layer].path, op.name) for op in record.operations if not op.is_free]


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x, flag=True):
        direct = self.inner[0].forward(x)
        return (self.inner(x) + direct) * self.scale if flag else x


def test_each_operator_is_on_the_module_that_ran_it_also_when_forward_is_called_directly():
    assert ran(trace(Branches(), torch.empty(2, 4))) == [
        ("inner.0", "aten.addmm"),
        ("inner.0", "aten.addmm"),
        ("inner.1", "aten.relu"),
        (".", "aten.add"),
        (".", "aten.mul"),
    ]


def test_layers_record_calls_shapes_and_parameters():
    layers = {layer.path: layer for layer in trace(Branches(), torch.empty(2, 4)).layers}
    assert layers["inner.0"].calls == 2
    assert layers["inner.0"].inputs[0].shape == (2, 4)
    assert layers["inner.0"].output_bytes == 2 * (2 * 4 * 4)
    assert [parameter.name for parameter in layers["inner.0"].parameters] == ["weight", "bias"]
    assert [parameter.name for parameter in layers["."].parameters] == ["scale"]
    assert layers["inner"].depth == 1
    assert not layers["inner"].is_leaf


def test_the_repr_of_a_trace_is_one_line():
    record = trace(Branches(), torch.empty(2, 4))
    # 2 linear layers, a relu, a sum and a product, and the transposed view of each weight; four modules.
    assert repr(record) == "<Trace of 7 operators, 4 layers, eval, batch 2>"
    trained = trace(nn.Tanh(), torch.empty(3, 4), mode="train")
    assert repr(trained) == "<Trace of 1 operator, 1 layer, train, batch 3>"


def test_inputs_may_be_a_tensor_a_tuple_or_keywords():
    x = torch.empty(2, 4)
    plain = ran(trace(Branches(), x))
    assert ran(trace(Branches(), (x, True))) == ran(trace(Branches(), {"x": x})) == plain
    assert ran(trace(Branches(), (x, False))) == ran(trace(Branches(), {"flag": False, "x": x})) == plain[:1]


@dataclasses.dataclass
class Pair:
    first: torch.Tensor
    label: str
    second: torch.Tensor | None = None


def test_inputs_and_outputs_may_be_nested():
    class Nested(nn.Module):
        def forward(self, pair, options):
            assert pair.label == "a"
            assert options["none"] is None
            return {"out": [pair.first + 1, (pair.second, "text")]}

    inputs = (Pair(torch.empty(2, 3), "a", torch.empty(5)), {"none": None})
    record = trace(Nested(), inputs)
    assert [info.shape for info in record.inputs] == [(2, 3), (5,)]
    assert [info.shape for info in record.layers[0].outputs] == [(2, 3), (5,)]


def test_a_shared_parameter_is_counted_on_its_first_owner_only():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(10, 4)
            self.head = nn.Linear(4, 10, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, indices):
            return self.head(self.embedding(indices))

    record = trace(Tied(), torch.zeros(2, 3, dtype=torch.int64))
    owned = {layer.path: [p.numel for p in layer.parameters] for layer in record.layers}
    assert owned == {".": [], "embedding": [40], "head": []}


def test_weights_are_distinguished_from_data_through_views_and_casts():
    class Casting(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 4))

        def forward(self, x):
            product = x @ self.weight.to(torch.float64).t()
            return product @ product.t()

    record = trace(Casting(), torch.empty(2, 4, dtype=torch.float64))
    products = [op for op in record.operations if op.macs]
    assert [bool(any(op.weights)) for op in products] == [True, False]


def test_unregistered_tensors_of_the_model_run_without_data():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.mask = torch.ones(4)
            self.layers = [nn.Linear(4, 4)]  # a plain list: not registered, on real memory

        def forward(self, x):
            return self.layers[0](x * self.mask) + torch.ones(4, device="cpu")

    record = trace(Holder(), torch.empty(2, 4))
    assert record.real_data_reason is None
    assert [name for _, name in ran(record)] == ["aten.mul", "aten.addmm", "aten.ones", "aten.add"]


def test_composite_operators_are_counted_by_what_they_consist_of():
    class Attention(nn.Module):
        def forward(self, q, k, v):
            return F.scaled_dot_product_attention(q, k, v)

    shape = (2, 3, 5, 8)
    record = trace(Attention(), tuple(torch.empty(shape) for _ in range(3)))
    # q·k and attention·v: 2*3 heads, 5*5*8 each.
    assert sum(op.macs for op in record.operations) == 2 * (2 * 3 * 5 * 5 * 8)


def attention_macs(batch, heads, queries, keys, size):
    """Two products for each pair of query and key: their own, and that of the weight and the value."""
    return 2 * batch * heads * queries * keys * size


ATTENTION = {
    "masked": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(5, 7)), 3),
    "causal": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), 3),
    "with dropout": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=0.5), 3),
    "grouped queries": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True), 1),
    "by hand": (lambda q, k, v: (q @ k.mT).softmax(-1) @ v, 3),
    "einsum": (
        lambda q, k, v: torch.einsum("bhqk,bhkd->bhqd", torch.einsum("bhqd,bhkd->bhqk", q, k).softmax(-1), v), 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_counted_in_every_form(name):
    function, key_heads = ATTENTION[name]

    class Attends(nn.Module):
        def forward(self, q, k, v):
            return function(q, k, v)

    key = torch.empty(2, key_heads, 7, 8)
    record = trace(Attends(), (torch.empty(2, 3, 5, 8), key, key))
    assert sum(op.macs for op in record.operations) == attention_macs(2, 3, 5, 7, 8)
    assert all(op.counted for op in record.operations)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_multi_head_attention_is_four_projections_and_attention(need_weights, dtype):
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True, dtype=dtype)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=need_weights)

    record = trace(Attends(), torch.empty(3, 5, 8, dtype=dtype))
    assert sum(op.macs for op in record.operations) == 15 * 4 * 64 + attention_macs(3, 2, 5, 5, 4)


@pytest.mark.parametrize(("cell", "gates"), [(nn.RNNCell, 1), (nn.GRUCell, 3), (nn.LSTMCell, 4)])
def test_recurrent_cells_are_counted(cell, gates):
    record = trace(cell(3, 4), torch.empty(2, 3))
    assert sum(op.macs for op in record.operations) == 2 * gates * 4 * (3 + 4)


def test_lstm_is_counted():
    lstm = nn.LSTM(3, 4, batch_first=True)
    record = trace(lstm, torch.empty(2, 5, 3))
    # 5 steps of 2 samples: four gates of 4 units see 3 inputs and 4 hidden values.
    assert sum(op.macs for op in record.operations) == 5 * 2 * 16 * (3 + 4)
    assert all(parameter.was_read for layer in record.layers for parameter in layer.parameters)


@pytest.mark.parametrize("module", [nn.Identity(), nn.Flatten()])
def test_an_input_that_requires_gradients_makes_no_backward_pass_in_eval(module):
    operations = trace(module, torch.empty(2, 3, 4, requires_grad=True), mode="eval").operations
    assert not any(operation.is_backward for operation in operations)


def test_unknown_operators_are_marked_and_their_bytes_still_counted():
    class Bessel(nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    (operation,) = trace(Bessel(), torch.empty(5)).operations
    assert (operation.name, operation.counted, operation.flops) == ("aten.special_bessel_j0", False, 0)
    assert operation.read_bytes == 20


def test_a_model_that_reads_values_is_run_on_data_and_gives_the_reason():
    model = ReadsValues()
    record = trace(model, torch.empty(2, 4, device="meta"))
    assert record.real_data_reason == "it reads the value of a tensor (aten._local_scalar_dense) in ReadsValues"
    assert ("layer", "aten.addmm") in ran(record)
    assert sum(op.macs for op in record.operations) == 2 * 4 * 4
    assert model.count == 0


def test_a_model_without_data_that_reads_values_is_run_on_random_ones():
    with torch.device("meta"):
        model = ReadsValues()
    record = trace(model, torch.empty(2, 4, device="meta"))
    assert record.real_data_reason is not None
    assert sum(op.macs for op in record.operations) == 2 * 4 * 4
    assert model.layer.weight.is_meta


@pytest.mark.parametrize("read", [lambda x: x.tolist(), lambda x: x.numpy(), lambda x: x.nonzero(), bool])
def test_every_way_to_read_a_value_is_recognised(read):
    class Reads(nn.Module):
        def forward(self, x):
            read(x.sum())
            return x

    assert trace(Reads(), torch.ones(3)).real_data_reason is not None


def test_a_users_exit_is_an_error_like_any_other():
    class Leaves(nn.Module):
        def forward(self, x):
            raise SystemExit(0)

    with pytest.raises(ForwardError, match=r"the model itself \(Leaves\) fails"):
        trace(Leaves(), torch.ones(1))


def test_training_is_counted_inside_inference_mode_too():
    with torch.inference_mode():
        record = trace(nn.Linear(4, 4), torch.ones(2, 4), mode="train")
    assert sum(op.macs for op in record.operations if op.is_backward) == 32


def test_an_input_that_is_given_twice_has_one_storage():
    x = torch.ones(2, 4)
    record = trace(nn.Bilinear(4, 4, 3), (x, x))
    assert [storage.size_bytes for storage in record.storages if storage.kind == "input"] == [32]


def test_autocast_in_forward_is_recorded():
    class Casts(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            with torch.autocast("cpu", torch.bfloat16):
                return self.layer(x)

    assert trace(Casts(), torch.ones(2, 4)).saw_autocast
    assert not trace(nn.Linear(4, 4), torch.ones(2, 4)).saw_autocast


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.LSTM(3, 4, batch_first=True), (2, 5, 3)),
        (nn.GRU(3, 4, batch_first=True), (2, 5, 3)),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)), (2, 3, 9, 9)),
    ],
)
def test_real_data_is_counted_like_none(module, shape):
    def cost(model):
        record = trace(model, torch.zeros(shape))
        assert all(op.counted for op in record.operations)
        return sum(op.macs for op in record.operations)

    assert cost(Hesitant(module)) == cost(module) > 0


def test_inference_mode_changes_nothing():
    class Inferring(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        @torch.inference_mode()
        def forward(self, x):
            return self.module(x)

    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)
    ).eval()

    def costs(record):
        return [(op.name, op.macs, op.flops, op.read_bytes) for op in record.operations if not op.is_free]

    plain = costs(trace(model, torch.empty(1, 3, 8, 8)))
    assert sum(macs for _, macs, _, _ in plain) > 0
    assert costs(trace(Inferring(model), torch.empty(1, 3, 8, 8))) == plain
    with torch.inference_mode():
        assert costs(trace(model, torch.empty(1, 3, 8, 8))) == plain


def test_a_torchscript_module_runs_in_the_given_mode():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated, and still in use
        model = torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.Dropout()))
    record = trace(model, torch.empty(1, 2))
    assert [name for _, name in ran(record)] == ["aten.addmm"]
    assert model.training
    assert any(record.operations[-1].weights) or any(op.macs and any(op.weights) for op in record.operations)


def test_an_unknown_mode_is_rejected():
    with pytest.raises(UsageError, match="mode='trian' is not one of eval, train; did you mean 'train'"):
        trace(nn.Linear(2, 2), torch.empty(1, 2), mode="trian")


def test_a_failing_backward_pass_is_reported():
    class Overwrites(nn.Module):
        def forward(self, x):
            y = x.sigmoid()
            y.mul_(2)
            return y

    with pytest.raises(ForwardError, match="its backward pass fails: one of the variables needed for gradient"):
        trace(Overwrites(), torch.ones(3, requires_grad=True), mode="train")


def test_a_copied_model_is_traced_like_the_original():
    model = Branches()
    assert ran(trace(copy.deepcopy(model), torch.empty(2, 4))) == ran(trace(model, torch.empty(2, 4)))


def test_a_failing_forward_names_the_innermost_layer_its_input_and_kernel():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.MaxPool2d(5)))
    with pytest.raises(ForwardError, match=r"layer 1\.0 \(MaxPool2d\) fails on input 1x4x2x2 with kernel 5x5") as error:
        trace(model, torch.empty(1, 3, 4, 4))
    assert isinstance(error.value.__cause__, RuntimeError)
    with pytest.raises(ForwardError, match="it takes 3 channels, not 1"):
        trace(model, torch.empty(1, 1, 9, 9))


def test_a_call_that_does_not_match_the_signature_is_reported():
    with pytest.raises(ForwardError, match="takes 2 positional arguments but 3 were given"):
        trace(nn.Linear(2, 2), (torch.empty(1, 2), torch.empty(1, 2)))


def test_lazy_parameters_are_rejected():
    with pytest.raises(InputError, match="parameter weight has no shape yet"):
        trace(nn.LazyLinear(3), torch.empty(1, 2))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.eye(8).to_sparse_csr(),
        torch.nested.nested_tensor([torch.ones(3, 8), torch.ones(5, 8)], layout=torch.jagged),
    ],
    ids=["csr", "jagged"],
)
def test_inputs_of_a_layout_that_cannot_be_traced_are_refused_by_its_name(tensor):
    with pytest.raises(InputError, match=f"inputs has a tensor of layout {tensor.layout}, which cannot be traced"):
        trace(nn.Linear(8, 8), tensor)


def test_each_call_of_a_module_has_its_steps_and_outputs():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return self.layer(self.layer(x))[:, :2]

    record = trace(Twice(), torch.ones(1, 3))
    assert [record.layers[call.layer].path for call in record.calls] == ["layer", "layer", "."]
    assert [call.outputs[0].shape for call in record.calls] == [(1, 3), (1, 3), (1, 2)]
    products = [operation.step for operation in record.operations if operation.macs]
    assert all(call.begin < step <= call.end for call, step in zip(record.calls, products, strict=False))
    assert len(products) == 2
    last = [operation for operation in record.operations if operation.macs][-1]
    # The output is a view of the last product.
    assert record.output_storages == last.output_storages
    assert record.input_storages[0] in record.operations[0].input_storages + record.operations[1].input_storages
