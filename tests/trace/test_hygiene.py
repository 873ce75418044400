"""The model and the process are restored, whatever a forward does and however it ends."""

from __future__ import annotations

import inspect
import types
from collections import deque

import numpy as np
import pytest
import torch
from torch import nn

from archbench.errors import ForwardError
from archbench.trace.tracer import trace
from tests.helpers.models import Hesitant, ReadsValues


class Misbehaves(nn.Module):
    """Changes its own state in forward in many ways, and then may raise."""

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
def test_the_model_is_restored(training, error):
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
def test_state_outside_parameters_is_restored(reads_values, device):
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


class UsesExternalTensors(nn.Module):
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
def test_external_tensors_get_no_gradients_and_keep_their_statistics(reads_values):
    model = UsesExternalTensors()
    norm = model.hidden[1]
    record = trace(Hesitant(model) if reads_values else model, torch.ones(3, 4), mode="train")
    assert (record.real_data_reason is not None) == reads_values
    assert record.has_external_tensors
    external = [*model.hidden[0].parameters(), *norm.parameters(), *model.weights]
    assert all(tensor.grad is None and tensor.requires_grad for tensor in external)
    assert norm.running_mean.tolist() == [0, 0, 0, 0]
    assert norm.num_batches_tracked == 0
    assert any(op.is_backward and op.macs for op in record.operations)


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


def test_user_hooks_still_run_and_stay():
    model = nn.Linear(2, 2)
    calls = []
    model.register_forward_hook(lambda *_: calls.append("after"))
    model.register_forward_pre_hook(lambda *_: calls.append("before"))
    trace(model, torch.empty(1, 2))
    assert calls == ["before", "after"]
    assert len(model._forward_hooks) == 1


def test_a_patched_forward_keeps_its_signature():
    seen = {}

    class Inspects(nn.Module):
        def forward(self, x, mask=None):
            seen["signature"] = inspect.signature(self.forward)
            return x

    trace(Inspects(), torch.empty(1))
    assert list(seen["signature"].parameters) == ["x", "mask"]
