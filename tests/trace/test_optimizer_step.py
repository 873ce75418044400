from __future__ import annotations

import pytest
import torch
from torch import nn

from archbench.analyze.peak_memory import peak_bytes
from archbench.models.address import find
from archbench.trace.optimizer_step import FORMS, STATES, Optimizer
from archbench.trace.tracer import trace
from tests.helpers.mem_tracker import tracked_peak

CLASSES = {"sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def torchs(algorithm, form, decay):
    """Return a function that makes torch's own optimizer."""
    options = {"momentum": 0.9} if algorithm == "momentum" else {}
    forms = {"foreach": form == "foreach", "fused": form == "fused"}
    return lambda parameters: CLASSES[algorithm](parameters, lr=0.1, weight_decay=decay, **forms, **options)


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("algorithm", STATES)
def test_the_peak_with_any_optimizer_is_torchs_own_trackers(algorithm, form, decay):
    # Batch 1: the update, not the backward pass, is where the memory is needed.
    source = find("alexnet_owt")
    inputs = torch.empty(1, *source.input_shape)
    record = trace(source.build(), inputs, mode="train", optimizer=Optimizer(algorithm, form, decay))
    expected = tracked_peak(source, 1, "train", optimizer=torchs(algorithm, form, decay))
    assert peak_bytes(record) == pytest.approx(expected, rel=0.001)


def test_without_an_optimizer_there_is_no_update():
    record = trace(nn.Linear(2, 2), torch.empty(3, 2), mode="train", optimizer=None)
    assert (record.update, record.optimizer) == ((), None)
    assert not any(storage.kind == "optimizer" for storage in record.storages)


def test_only_parameters_with_a_gradient_are_updated():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(2, 2), nn.Linear(100, 100)
            self.frozen = nn.Linear(2, 2).requires_grad_(False)

        def forward(self, x):
            return self.frozen(self.used(x))

    record = trace(Half(), torch.empty(3, 2), mode="train", optimizer=Optimizer("adam", "fused"))
    # Two averages of a weight and a bias, and two counters.
    assert sorted(s.size_bytes for s in record.storages if s.kind == "optimizer") == [4, 4, 8, 8, 16, 16]


def test_a_model_that_needs_real_data_keeps_its_weights():
    class Looks(nn.Linear):
        def forward(self, x):
            return super().forward(x) if x.sum() < 1e9 else x

    model = Looks(3, 3)
    before = model.weight.detach().clone()
    record = trace(model, torch.ones(2, 3), mode="train", optimizer=Optimizer("adam"))
    assert record.real_data_reason
    assert record.update
    assert torch.equal(model.weight, before)
    assert model.weight.grad is None


def test_an_optimizer_as_text():
    assert str(Optimizer("momentum")) == "momentum (foreach)"
    assert str(Optimizer("adamw", "fused", 0.01)) == "adamw (fused, weight decay 0.01)"
