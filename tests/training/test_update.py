"""Updates that are decided on the device, with results that are read a step later, as on a GPU."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import archbench
from archbench.precision import find_precision
from archbench.training import readback
from archbench.training.learner import Learner, NonFiniteError
from archbench.training.recipes import EQUAL, LECTURE, Recipe
from archbench.training.update import Update


class ListedBatches:
    """The given batches, one a step."""

    def __init__(self, *inputs: torch.Tensor) -> None:
        self._inputs, self.steps_per_epoch = inputs, len(inputs)

    def batch_at(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._inputs[step], torch.arange(len(self._inputs[step])) % 3


class Overflowing(nn.Module):
    """A linear layer whose gradient is infinite, with a finite loss, in the listed forward passes."""

    def __init__(self, *passes: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.passes, self.count = nn.Linear(4, 3), passes, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count += 1
        scores = self.linear(x)
        if self.count in self.passes:
            scores.register_hook(lambda gradient: gradient * float("inf"))
        return scores


def batch(seed: int = 0) -> torch.Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))


def learner_of(model: nn.Module, *inputs: torch.Tensor, recipe: Recipe = EQUAL, dtype: str = "fp32", steps: int = 40):
    batches = ListedBatches(*(inputs or (batch(),)))
    return Learner(model, recipe, batches, steps=steps, precision=find_precision(dtype), device="cpu")


def state_of(learner: Learner) -> list[torch.Tensor]:
    """Return parameters and momentum."""
    state = learner.state()
    buffers = [value for entry in state["optimizer"]["state"].values() for value in entry.values()]
    return [tensor.clone() for tensor in (*state["model"].values(), *buffers)]


@pytest.fixture
def lag(monkeypatch):
    """Results are read one step late, as on a GPU."""
    monkeypatch.setattr(readback, "_LAG", {"cpu": 1})


@pytest.mark.parametrize("recipe", [EQUAL, LECTURE], ids=["sgd", "adam"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_after_one_that_was_not_finite_updates_nothing_either(lag, recipe, bad):
    learner = learner_of(Overflowing(), batch(0), torch.full((6, 4), bad), batch(2), recipe=recipe)
    assert learner.advance() == []
    before = state_of(learner)
    assert len(learner.advance()) == 1  # the first one's result; the second has launched its update
    with pytest.raises(NonFiniteError, match="not finite at step 2"):
        learner.advance()
    assert learner.step == 1
    assert all(torch.equal(was, now) for was, now in zip(before, state_of(learner), strict=True))


def test_an_infinite_loss_with_finite_gradients_updates_nothing():
    # Cross entropy of a score of -inf for the right class is infinite; its gradient is softmax minus one-hot.
    model = nn.Linear(4, 3)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    update = Update(model, EQUAL, "cpu", scales_loss=True)
    update.begin(0.1)
    update.backward(model(batch()).sum())
    update.apply(torch.tensor(float("inf")))
    assert all(torch.equal(was, now) for was, now in zip(before, model.parameters(), strict=True))


def test_float16_skips_and_counts_steps_whose_gradients_overflow_and_goes_on():
    # The first two passes overflow; then the third step is the first update.
    learner = learner_of(Overflowing(1, 2), dtype="amp-fp16")
    before = state_of(learner)
    for _ in range(2):
        learner.advance()
        assert all(torch.equal(was, now) for was, now in zip(before, state_of(learner), strict=True))
    assert (learner.step, learner.skipped) == (2, 2)
    assert learner.state()["scaler"]["scale"] == 2**16 / 2**2
    learner.advance()
    assert (learner.step, learner.skipped) == (3, 2)
    moved = [was - now for was, now in zip(before, state_of(learner), strict=True)]
    # The first momentum is the gradient itself, so parameters move by rate times momentum.
    rate = learner.schedule.rate(2)
    torch.testing.assert_close(moved[0], -rate * moved[2], atol=1e-7, rtol=1e-4)
    assert moved[0].any()


@pytest.mark.parametrize(("steps", "most"), [(100, 32), (5, 5)])
def test_gradients_that_are_never_finite_end_the_training(steps, most):
    learner = learner_of(Overflowing(*range(1, 200)), dtype="amp-fp16", steps=steps)
    for _ in range(most - 1):
        learner.advance()
    with pytest.raises(NonFiniteError, match=f"the gradient was not finite in any of {most} successive steps"):
        learner.advance()
    assert learner.skipped == most


class NoSynchronization(TorchDispatchMode):
    """Fails on operators with which the host waits for a device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert function not in (
            torch.ops.aten._local_scalar_dense.default,
            torch.ops.aten.nonzero.default,
            torch.ops.aten.equal.default,
        ), f"{function} waits for the device"
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", ["fp32", "amp", "amp-fp16"])
def test_no_operator_of_a_step_waits_for_the_device(lag, dtype):
    learner = learner_of(Overflowing(), dtype=dtype)
    learner.advance()
    with NoSynchronization():
        learner.advance()
    with pytest.raises(AssertionError, match="waits for the device"), NoSynchronization():
        float(torch.ones(1))


def test_a_checkpoint_of_an_optimizer_that_was_not_fused_goes_on_fused():
    learner = learner_of(Overflowing(), batch(0), torch.full((6, 4), float("nan")))
    learner.advance()
    state = deepcopy(learner.state())
    del state["skipped"], state["skipped_in_a_row"]
    for group in state["optimizer"]["param_groups"]:
        group["fused"] = None
    again = learner_of(Overflowing(), batch(0), torch.full((6, 4), float("nan")))
    again.load(state)
    before = state_of(again)
    with pytest.raises(NonFiniteError, match="step 2"):
        again.advance()
    assert all(torch.equal(was, now) for was, now in zip(before, state_of(again), strict=True))


@pytest.mark.slow
def test_results_read_a_step_later_make_the_same_training(lag, tmp_path, monkeypatch):
    options = {"seeds": 1, "steps": 45, "threads": 1, "augment": "crop+flip", "store": tmp_path / "store.sqlite"}
    late = archbench.train("lenet", **options, out=tmp_path / "late")
    monkeypatch.setattr(readback, "_LAG", {})
    at_once = archbench.train("lenet", **options, out=tmp_path / "at_once")
    losses = [[epoch.train_loss for epoch in run.epochs] for run in (late, at_once)]
    assert losses[0] == losses[1]
    outcomes = [json.loads((run.path / "models/lenet/seed-0/outcome.json").read_text()) for run in (late, at_once)]
    assert outcomes[0]["final_sha256"] == outcomes[1]["final_sha256"]


DIVERGING = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear, self.count = nn.BatchNorm2d(1), nn.Linear(64, 10), 0

    def forward(self, x):
        if self.training and not torch.is_inference_mode_enabled() and not x.is_meta:
            self.count += 1
        scores = self.linear(self.norm(x).flatten(1))
        return scores * float("nan") if self.count == 4 else scores
"""


@pytest.mark.slow
def test_a_training_whose_loss_is_not_finite_is_a_diverged_row_with_its_last_good_state(lag, tmp_path):
    source = tmp_path / "net.py"
    source.write_text(DIVERGING)
    run = archbench.train(
        f"{source}:Net", size=8, seeds=1, steps=10, threads=1, out=tmp_path / "run", store=tmp_path / "s.sqlite"
    )
    (accuracy,) = run.accuracies
    assert accuracy.status == "diverged"
    (checkpoint,) = (tmp_path / "run").glob("models/*/seed-0/checkpoint-*.pt")
    learner = torch.load(checkpoint, weights_only=True)["learner"]
    assert learner["step"] == 3
    assert all(tensor.isfinite().all() for tensor in learner["model"].values())


def test_compile_trains_the_compiled_model_and_evaluates_the_plain_one(monkeypatch):
    compiled = []

    def fake_compile(model):
        def run(x):
            compiled.append(len(x))
            return model(x)

        return run

    monkeypatch.setattr(torch, "compile", fake_compile)
    learners = []
    for is_compiled in (False, True):
        torch.manual_seed(0)
        learner = Learner(
            nn.Linear(4, 3), EQUAL, ListedBatches(batch()), steps=40, precision=find_precision("fp32"), device="cpu",
            compiled=is_compiled,
        )  # fmt: skip
        learner.advance()
        learner.scores(batch())
        learners.append(learner)
    assert compiled == [6]
    plain, ours = (state_of(learner) for learner in learners)
    assert all(torch.equal(one, other) for one, other in zip(plain, ours, strict=True))


@pytest.mark.slow
def test_train_compile_is_torch_compile(tmp_path, monkeypatch):
    models = []
    compile_by_torch = torch.compile

    def compile_eagerly(model):
        models.append(model)
        return compile_by_torch(model, backend="eager")  # inductor takes a minute

    monkeypatch.setattr(torch, "compile", compile_eagerly)
    options = {"steps": 2, "seeds": 1, "threads": 1, "store": tmp_path / "store.sqlite"}
    compiled = archbench.train("lenet", compile=True, **options, out=tmp_path / "compiled")
    assert len(models) == 1
    plain = archbench.train("lenet", **options, out=tmp_path / "plain")
    assert len(models) == 1
    assert [epoch.train_loss for epoch in compiled.epochs] == pytest.approx(
        [epoch.train_loss for epoch in plain.epochs]
    )
