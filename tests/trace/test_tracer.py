from __future__ import annotations

import copy
import dataclasses
import inspect
import types
import warnings
from collections import deque

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archbench.errors import ForwardError, InputError, UsageError
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


class Remembers(nn.Module):
    """Keeps state where no parameter or buffer is: nested containers, plain objects, unregistered tensors."""

    def __init__(self, reads_values=False):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.average = torch.zeros(2)
        self.cache = {"inner": {}, "list": [[]], "queue": deque()}
        self.options = types.SimpleNamespace(last=None)
        self.reads_values = reads_values

    def forward(self, x):
        self.layer.weight.mul_(0.5)
        self.average.mul_(0.9).add_(1.0)
        self.cache["inner"]["mask"] = torch.ones(2, device=x.device)
        self.cache["list"][0].append(x)
        self.cache["queue"].append(x)
        self.options.last = x
        np.random.rand()
        if self.reads_values and x.sum() > 1e9:
            return x
        return self.layer(x) * self.cache["inner"]["mask"] + self.average


@pytest.mark.parametrize("reads_values", [False, True])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_state_outside_parameters_is_left_alone_too(reads_values, device):
    with torch.device(device), torch.no_grad():
        model = Remembers(reads_values)
    model.requires_grad_(False)
    weight = model.layer.weight.clone()
    before = np.random.get_state()[1].copy()
    record = trace(model, torch.ones(1, 2, device=device))
    assert (record.real_data_reason is not None) == reads_values
    assert model.cache == {"inner": {}, "list": [[]], "queue": deque()}
    assert model.options.last is None
    assert (np.random.get_state()[1] == before).all()
    if device == "cpu":
        assert torch.equal(model.layer.weight, weight)
        assert model.average.tolist() == [0, 0]


class Hesitant(nn.Module):
    """Runs a module only after it has looked at a value."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return x if x.flatten()[0] > 1e9 else self.module(x)


class Outsiders(nn.Module):
    """Uses trainable tensors that are not among its parameters."""

    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(4, 4)
        self.hidden = [nn.Linear(4, 4), nn.BatchNorm1d(4)]
        self.weights = [nn.Parameter(torch.ones(4))]

    def forward(self, x):
        x = self.inside(x)
        for module in self.hidden:
            x = module(x)
        return x * self.weights[0]


@pytest.mark.parametrize("reads_values", [False, True])
def test_tensors_from_outside_get_no_gradients_and_keep_their_statistics(reads_values):
    model = Outsiders()
    norm = model.hidden[1]
    record = trace(Hesitant(model) if reads_values else model, torch.ones(3, 4), mode="train")
    assert (record.real_data_reason is not None) == reads_values
    assert record.has_strangers
    outsiders = [*model.hidden[0].parameters(), *norm.parameters(), *model.weights]
    assert all(tensor.grad is None and tensor.requires_grad for tensor in outsiders)
    assert norm.running_mean.tolist() == [0, 0, 0, 0]
    assert norm.num_batches_tracked == 0
    assert any(op.is_backward and op.macs for op in record.operations)


def test_a_users_exit_is_an_error_like_any_other():
    class Leaves(nn.Module):
        def forward(self, x):
            raise SystemExit(0)

    with pytest.raises(ForwardError, match=r"layer \. \(Leaves\) fails"):
        trace(Leaves(), torch.ones(1))


def test_training_is_counted_inside_inference_mode_too():
    with torch.inference_mode():
        record = trace(nn.Linear(4, 4), torch.ones(2, 4), mode="train")
    assert sum(op.macs for op in record.operations if op.is_backward) == 32


def test_an_input_that_is_given_twice_is_there_once():
    x = torch.ones(2, 4)
    record = trace(nn.Bilinear(4, 4, 3), (x, x))
    assert [storage.size_bytes for storage in record.storages if storage.kind == "input"] == [32]


def test_autocast_is_noticed():
    class Casts(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            with torch.autocast("cpu", torch.bfloat16):
                return self.layer(x)

    assert trace(Casts(), torch.ones(2, 4)).saw_autocast
    assert not trace(nn.Linear(4, 4), torch.ones(2, 4)).saw_autocast


def test_the_order_of_the_state_is_restored():
    class Reorders(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("a", torch.zeros(1))
            self.register_buffer("b", torch.zeros(1))

        def forward(self, x):
            del self.a
            self.register_buffer("a", x)
            return x

    model = Reorders()
    trace(model, torch.ones(1))
    assert list(model.state_dict()) == ["a", "b"]


def test_a_model_without_data_keeps_its_parameters_free_of_gradients():
    with torch.device("meta"):
        model = nn.Linear(2, 2)
    image = torch.empty(1, 2, device="meta", requires_grad=True)
    trace(model, image, mode="train")
    assert image.grad is None
    assert model.weight.grad is None


def test_settings_of_torch_are_restored_after_a_run_on_data():
    def settings():
        return (
            torch.backends.mha.get_fastpath_enabled(),
            torch.backends.mkldnn.enabled,
            torch.backends.cudnn.enabled,
            torch.backends.cuda.flash_sdp_enabled(),
        )

    before = settings()
    assert trace(ReadsValues(), torch.empty(2, 4)).real_data_reason is not None
    assert settings() == before


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


def test_compiled_to_torchscript_runs_in_the_mode_asked_for():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated, and still in use
        model = torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.Dropout()))
    record = trace(model, torch.empty(1, 2))
    assert [name for _, name in ran(record)] == ["aten.addmm"]
    assert model.training
    assert any(record.operations[-1].weights) or any(op.macs and any(op.weights) for op in record.operations)


def test_an_unknown_mode_is_refused():
    with pytest.raises(UsageError, match="mode is one of eval, train, not 'trian'; did you mean 'train'"):
        trace(nn.Linear(2, 2), torch.empty(1, 2), mode="trian")


def test_a_backward_pass_that_fails_is_told():
    class Overwrites(nn.Module):
        def forward(self, x):
            y = x.sigmoid()
            y.mul_(2)
            return y

    with pytest.raises(ForwardError, match="its backward pass fails: one of the variables needed for gradient"):
        trace(Overwrites(), torch.ones(3, requires_grad=True), mode="train")


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
