from __future__ import annotations

import copy
import dataclasses
import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archbench.errors import ForwardError, InputError
from archbench.trace.tracer import trace


def ran(record):
    """Return (path of the layer, operator) of what was no view."""
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


def test_layers_tell_calls_shapes_and_parameters():
    layers = {layer.path: layer for layer in trace(Branches(), torch.empty(2, 4)).layers}
    assert layers["inner.0"].calls == 2
    assert layers["inner.0"].inputs[0].shape == (2, 4)
    assert layers["inner.0"].output_bytes == 2 * (2 * 4 * 4)
    assert [parameter.name for parameter in layers["inner.0"].parameters] == ["weight", "bias"]
    assert [parameter.name for parameter in layers["."].parameters] == ["scale"]
    assert layers["inner"].depth == 1
    assert not layers["inner"].is_leaf


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


def test_weights_are_told_from_data_through_views_and_casts():
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


def test_plain_tensors_of_the_model_are_taken_along():
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


def test_lstm_is_counted():
    lstm = nn.LSTM(3, 4, batch_first=True)
    record = trace(lstm, torch.empty(2, 5, 3))
    # 5 steps of 2 samples: four gates of 4 units see 3 inputs and 4 hidden values.
    assert sum(op.macs for op in record.operations) == 5 * 2 * 16 * (3 + 4)
    assert all(parameter.was_read for layer in record.layers for parameter in layer.parameters)


def test_unknown_operators_are_marked_and_their_bytes_still_counted():
    class Sorts(nn.Module):
        def forward(self, x):
            return x.sort()

    (operation,) = trace(Sorts(), torch.empty(5)).operations
    assert (operation.name, operation.counted, operation.flops) == ("aten.sort", False, 0)
    assert operation.read_bytes == 20


class ReadsValues(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        self.count += 1
        return self.layer(x) if x.sum() < 1e9 else x


def test_a_model_that_reads_values_is_run_on_data_and_says_so():
    model = ReadsValues()
    record = trace(model, torch.empty(2, 4, device="meta"))
    assert record.real_data_reason == "it reads the value of a tensor"
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


class Misbehaves(nn.Module):
    """Does to itself in forward whatever a model should not, and then may raise."""

    def __init__(self, error=None):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.layer = nn.Linear(4, 4)
        self.layer.weight.requires_grad_(False)
        self.rnn = nn.LSTM(4, 4)
        self.drop = nn.Dropout(0.5)
        self.seen = []
        self.error = error

    def forward(self, x):
        self.cache = x
        self.seen.append(x)
        self.layer.bias.requires_grad_(False)
        self.layer.weight = nn.Parameter(torch.zeros(4, 4))
        self.register_buffer("late", x)
        self.eval()
        torch.rand(3)
        x, _ = self.rnn(self.layer(self.norm(x)))
        if self.error is not None:
            raise self.error
        return self.drop(x)


def state_of(model):
    return {
        "tensors": {name: (value.clone(), value.device) for name, value in model.state_dict().items()},
        "identities": [id(value) for value in (*model.parameters(), *model.buffers())],
        "flat": [id(weight) for weight in model.rnn._flat_weights],
        "flags": [module.training for module in model.modules()],
        "grads": [parameter.requires_grad for parameter in model.parameters()],
        "attributes": [sorted(module.__dict__) for module in model.modules()],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        "seen": list(model.seen),
        "random": torch.get_rng_state(),
    }


def assert_same_state(before, after):
    assert before["tensors"].keys() == after["tensors"].keys()
    for (value, device), (other, other_device) in zip(
        before["tensors"].values(), after["tensors"].values(), strict=True
    ):
        assert device == other_device
        assert torch.equal(value, other)
    assert torch.equal(before["random"], after["random"])
    for key in before.keys() - {"tensors", "random"}:
        assert before[key] == after[key], key


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("error", [None, ValueError("no"), KeyboardInterrupt()])
def test_the_model_is_left_as_it_was(training, error):
    model = Misbehaves(error).train(training)
    model.drop.eval()
    before = state_of(model)
    if error is None:
        trace(model, torch.ones(3, 4))
    else:
        with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ForwardError):
            trace(model, torch.ones(3, 4))
    assert_same_state(before, state_of(model))
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None
    assert torch.is_grad_enabled()


def test_user_hooks_still_run_and_stay():
    model = nn.Linear(2, 2)
    calls = []
    model.register_forward_hook(lambda *_: calls.append("after"))
    model.register_forward_pre_hook(lambda *_: calls.append("before"))
    trace(model, torch.empty(1, 2))
    assert calls == ["before", "after"]
    assert len(model._forward_hooks) == 1


def test_forward_keeps_its_signature_while_it_is_watched():
    seen = {}

    class Inspects(nn.Module):
        def forward(self, x, mask=None):
            seen["signature"] = inspect.signature(self.forward)
            return x

    trace(Inspects(), torch.empty(1))
    assert list(seen["signature"].parameters) == ["x", "mask"]


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


def test_a_call_that_does_not_match_the_signature_is_told():
    with pytest.raises(ForwardError, match="takes 2 positional arguments but 3 were given"):
        trace(nn.Linear(2, 2), (torch.empty(1, 2), torch.empty(1, 2)))


def test_lazy_parameters_are_refused():
    with pytest.raises(InputError, match="parameter weight has no shape yet"):
        trace(nn.LazyLinear(3), torch.empty(1, 2))
