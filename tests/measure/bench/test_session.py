"""What is made of the answers of processes; the processes themselves are scripted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archbench.measure.bench import session
from archbench.measure.bench.session import measure_configuration
from archbench.measure.worker.client import Ended
from archbench.measure.worker.request import Request
from archbench.store.records import Configuration

REQUEST = Request(
    model="lenet", inputs=(), kind="cpu", mode="train", batch=4, dtype="fp32", layout="nchw", compiled=False,
    graphs=False, threads=1, processes=3, seconds=1.0,
)  # fmt: skip
WHAT = Configuration(model="lenet", input_shape="1x32x32", device="Some CPU", threads=1, **REQUEST.settings())


def said(seed, flags=()):
    """Return the answer of a process whose steps take 0.1 s and a little more in each."""
    measured = {
        "samples_s": [0.1 + 0.01 * seed] * 5, "steps_per_block": 1, "warm_up_s": 1.0, "warm_up_steps": 3,
        "status": "ok", "median_s": 0.1, "low_s": 0.1, "high_s": 0.1, "flags": [],
    }  # fmt: skip
    foreseen = {
        "flops": 1000, "winograd_share": 0.0, "needed_bytes": 1, "images_per_s": 50.0, "peak_flop_per_s": None,
        "published_flop_per_s": None,
    }  # fmt: skip
    return {
        "measured": measured, "latencies_s": [0.1], "first_step_s": 0.5, **({"replay_s": 0.05} if seed == 0 else {}),
        "peak_allocated_bytes": None, "peak_reserved_bytes": None, "energy_j": None, "energy_steps": 5,
        "foreseen": foreseen if seed == 0 else None, "flags": list(flags), "environment": {"seed": seed},
    }  # fmt: skip


@pytest.fixture
def answers(monkeypatch):
    """Let processes answer by a function of the request, and return what was asked."""
    asked = []

    def use(answer):
        def ask(request, on_progress, variables=None):
            asked.append((request.task, request.seed))
            return answer(request)

        monkeypatch.setattr(session, "ask", ask)
        return asked

    return use


def test_all_processes_are_one_result_and_the_first_foresees(answers):
    answers(lambda request: said(request.seed))
    found = measure_configuration(REQUEST, WHAT, "here", print)
    assert found.samples_per_process == (5, 5, 5)
    assert found.images_per_s == pytest.approx(4 / 0.11)
    # 1000 FLOPs in 0.11 s.
    assert found.flop_per_s == pytest.approx(1000 / 0.11)
    assert (found.predicted_images_per_s, found.replay_s, found.environment) == (50.0, 0.05, {"seed": 0})


def test_what_any_process_flags_is_said_once(answers):
    flags = {1: ["throttled: thermal in 1 of 9 readings"], 2: ["throttled: thermal in 2 of 9 readings"]}
    answers(lambda request: said(request.seed, flags.get(request.seed, ())))
    found = measure_configuration(REQUEST, WHAT, "here", print)
    assert found.flags == ("throttled: thermal in 1 of 9 readings",)
    assert found.status == "ok"


@pytest.mark.parametrize(("published", "status"), [(None, "ok"), (20_000.0, "ok"), (8000.0, "implausible")])
def test_a_rate_above_what_was_measured_is_told_and_one_above_the_published_peak_is_implausible(
    answers, published, status
):
    def answer(request):
        found = said(request.seed)
        if found["foreseen"] is not None:
            found["foreseen"] |= {"peak_flop_per_s": 5000.0, "published_flop_per_s": published}
        return found

    answers(answer)
    found = measure_configuration(REQUEST, WHAT, "here", print)
    # 1000 FLOPs in 0.11 s are 9091 a second: 1.82 times 5000, and 1.14 times 8000.
    assert found.status == status
    assert found.utilisation == pytest.approx(1000 / 0.11 / 5000)
    if status == "ok":
        said_of = "peak: 1.82 times what was measured of this machine; 'archbench devices --measure' measures it anew"
        assert found.flags == (said_of,)
    else:
        assert found.reason == "peak: 1.14 times what the hardware can do"


def test_phases_are_a_run_of_their_own(answers):
    phases = {"forward": 0.1, "backward": 0.2}
    asked = answers(lambda request: {"phases_s": phases} if request.task == "phases" else said(request.seed))
    assert measure_configuration(REQUEST, WHAT, "here", print, phases=True).phases_s == phases
    assert asked == [("measure", 0), ("measure", 1), ("measure", 2), ("phases", 0)]
    asked.clear()
    evaluated = measure_configuration(replace(REQUEST, mode="eval"), WHAT, "here", print, phases=True)
    assert (evaluated.phases_s, len(asked)) == ({}, 3)


def test_phases_that_fail_take_nothing_with_them(answers):
    answers(lambda request: Ended("failed", "killed", -9) if request.task == "phases" else said(request.seed))
    found = measure_configuration(REQUEST, WHAT, "here", print, phases=True)
    assert (found.status, found.flags, found.phases_s) == ("ok", ("phases: killed",), {})


def test_a_process_that_ends_is_the_result(answers):
    ended = Ended("oom", "out of memory", environment={"torch": "2"})
    asked = answers(lambda request: ended if request.seed == 1 else said(request.seed))
    found = measure_configuration(REQUEST, WHAT, "here", print, phases=True)
    assert (found.status, found.reason, len(asked)) == ("oom", "out of memory", 2)
    assert found.environment == {"torch": "2"}
