"""The tasks of a worker, in this process with a channel of text; at the end, one real process for each task."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
import torch

from archbench.host.environment import environment
from archbench.host.nvml import Reading
from archbench.measure.bench import tasks
from archbench.measure.bench.ab_test import ServedArm
from archbench.measure.bench.expectation import expect
from archbench.measure.bench.phases import PHASES
from archbench.measure.profile.attribution import places_of
from archbench.measure.worker.channel import Channel
from archbench.measure.worker.client import run_request
from archbench.measure.worker.request import Request, RunOptions
from archbench.measure.worker.server import run
from tests.helpers.measurements import configuration

QUICK = RunOptions(max_seconds=0.05)
LENET = configuration(batch=2)
NETS = """
import torch
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)

class Raises(Net):
    def forward(self, x):
        if not x.is_meta:
            raise RuntimeError("no kernel for this")
        return super().forward(x)

class Infinite(Net):
    def forward(self, x):
        return super().forward(x) / 0.0

class Constant(Net):
    def forward(self, x):
        return 0.0 * super().forward(x)

class ZeroHead(Net):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 2)
        nn.init.zeros_(self.head.weight)

    def forward(self, x):
        return self.head(super().forward(x)) - self.head.bias

def example_inputs(batch):
    return torch.randn(batch, 4)
"""


@pytest.fixture
def net(tmp_path):
    """Return a function from a class of NETS to its configuration."""
    (tmp_path / "nets.py").write_text(NETS)

    def make(name, input_shape="4", **changes):
        return configuration(model=f"{tmp_path / 'nets.py'}:{name}", input_shape=input_shape, **changes)

    return make


def events(task, what=LENET, *, lines=(), **changes):
    """Run a request in this process and return its events, each its name and values."""
    output = io.StringIO()
    run(Request(task, what, QUICK, **changes), Channel(output, iter(lines)))
    sent = [json.loads(line) for line in output.getvalue().splitlines()]
    return [(values.pop("event"), values) for values in sent]


def test_a_measurement_sends_its_environment_then_its_answer():
    sent = events("measure")
    assert [name for name, _ in sent] == ["phase", "environment", "phase", "phase", "answer", "done"]
    assert [values["text"] for name, values in sent if name == "phase"] == ["building", "measuring", "latency"]
    recorded, answer = sent[1][1], sent[4][1]
    assert recorded.keys() == {*environment("cpu"), "max_seconds", "start"}
    assert (recorded["max_seconds"], recorded["threads"], recorded["seed"]) == (0.05, 1, 0)
    assert {**answer["environment"], "gpu_while_measuring": None} == {**recorded, "gpu_while_measuring": None}
    timing = answer["timing"]
    assert 0 < timing["low_s"] <= timing["median_s"] <= timing["high_s"] < answer["first_step_s"] + 1
    # On a CPU five blocks at least, whatever the time.
    assert len(timing["samples_s"]) >= 5
    assert answer["energy_steps"] >= timing["warm_up_steps"] + 5 * timing["steps_per_block"]
    assert min(answer["latencies_s"]) > 0
    assert (answer["peak_allocated_bytes"], answer["energy_j"]) == (None, None)
    assert answer["expectation"]["flops"] == expect(LENET).flops
    assert sent[5][1] == {}


def test_only_the_first_process_sends_what_is_expected():
    answer = dict(events("measure", seed=1))["answer"]
    assert (answer["expectation"], answer["environment"]["seed"]) == (None, 1)


def test_a_training_step_under_autocast_is_measured():
    answer = dict(events("measure", configuration(mode="train", dtype="amp")))["answer"]
    assert answer["timing"]["median_s"] > 0


def test_a_users_example_is_run_in_the_dtype_of_the_configuration(net):
    assert "answer" in dict(events("measure", net("Net", "example", dtype="bf16")))


def test_a_head_of_zeros_gets_weights_as_a_trained_one_has(net):
    assert dict(events("serve", net("ZeroHead"), lines=["block"]))["block"]["step_s"] > 0


def test_a_served_step_runs_a_block_per_line():
    sent = events("serve", lines=["block", "block"])
    assert [name for name, _ in sent] == ["ready", "block", "block"]
    assert min(values["step_s"] for _, values in sent[1:]) > 0


def test_the_phases_of_a_training_step_are_timed():
    (_, phase), (name, values) = events("phases", configuration(mode="train"))
    assert (phase, name) == ({"text": "phases"}, "done")
    assert tuple(values["phases_s"]) == PHASES
    assert min(values["phases_s"].values()) > 0


def test_a_batch_is_tried_for_its_memory_which_a_cpu_does_not_report():
    sent = events("memory")
    assert sent == [("phase", {"text": "trying batch 2"}), ("done", {"free_bytes": None, "peak_bytes": None})]


@pytest.mark.parametrize(
    ("name", "changes", "reason", "refusal"),
    [
        ("Raises", {}, "RuntimeError: no kernel for this", ""),
        ("Infinite", {}, "InputError: the output of the model is not finite", "the output of the model is not finite"),
        ("Constant", {}, "is the same everywhere", "the output of the model is the same everywhere"),
        ("Net", {"layout": "nhwc"}, "InputError: nhwc is", "nhwc is a layout of images; no input has four dimensions"),
        ("Net", {"dtype": "tf32"}, "InputError: tf32 requires", "tf32 requires an NVIDIA GPU, not cpu"),
    ],
)
@pytest.mark.parametrize("task", ["measure", "memory"])
def test_what_fails_is_reported_with_its_reason(net, task, name, changes, reason, refusal):
    event, values = events(task, net(name, **changes))[-1]
    assert event == "failed"
    assert reason in values["reason"]
    assert values["refusal"] == refusal


def test_out_of_memory_is_reported_with_what_is_needed(monkeypatch):
    def raise_error(request, channel):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(tasks, "measure", raise_error)
    assert events("measure") == [("oom", {"needed_bytes": expect(LENET).needed_bytes, "free_bytes": None})]


# On a GPU, of which there is none


def timing(median_s):
    return SimpleNamespace(median_s=median_s)


def test_an_eager_step_on_a_gpu_is_compared_with_its_replay(monkeypatch):
    monkeypatch.setattr(tasks, "replay_s", lambda step, policy: 1e-3)
    eager = Request("measure", configuration(kind="cuda"), QUICK)
    # 1.32 ms against 1 ms.
    assert tasks._replayed(eager, None, timing(1.32e-3), ["shared: much"]) == {
        "replay_s": 1e-3,
        "flags": ["launch-bound: the step takes 1.32 times its replay as a graph", "shared: much"],
    }
    for what in (configuration(kind="cuda", graphs=True), configuration()):
        assert tasks._replayed(Request("measure", what, QUICK), None, timing(1.0), []) == {}


@pytest.mark.parametrize(("readings", "used_j"), [([10.0, 12.5], 2.5), ([None, None], None)])
def test_the_energy_of_a_gpu_is_the_difference_of_two_readings(monkeypatch, readings, used_j):
    left = list(readings)
    reading = Reading(clock_hz=1.7e9, power_w=None, temperature_c=None, throttle_reasons=0x04)
    gpu = SimpleNamespace(energy_j=lambda: left.pop(0), read=lambda: reading)
    monkeypatch.setattr(tasks, "open_gpu", lambda kind: gpu)
    energy = tasks.Energy()
    with tasks._monitored("cuda", energy) as monitor:
        pass
    assert energy.used_j == used_j
    assert monitor.readings[0] == reading


# In a process of its own


def arguments(task, zoo_trace):
    return {"places": places_of(zoo_trace("lenet", 2, "eval")).to_json(), "trace": None} if task == "profile" else {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "key"), [("measure", "timing"), ("phases", "phases_s"), ("memory", "peak_bytes"), ("profile", "steps")]
)
def test_a_process_carries_out_its_task(task, key, zoo_trace):
    what = configuration(batch=2, mode="train" if task == "phases" else "eval")
    request = Request(task, what, QUICK, arguments=arguments(task, zoo_trace))
    phases = []
    assert key in run_request(request, phases.append)
    assert phases


@pytest.mark.slow
def test_a_process_serves_blocks():
    with ServedArm(LENET, QUICK, seed=0) as arm:
        assert min(arm.block_s(), arm.block_s()) > 0
