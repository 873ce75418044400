"""What is made of the answers of processes; the processes themselves are scripted."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from archbench.measure.bench import session
from archbench.measure.bench.session import measure_configuration
from archbench.measure.worker.client import Failure
from archbench.measure.worker.request import RunOptions
from tests.helpers.measurements import configuration, expectation

CONFIGURATION = configuration(mode="train")
OPTIONS = RunOptions(max_seconds=3.0, processes=3)
WITH_PHASES = replace(OPTIONS, phases=True)


def answer_of(seed, flags=(), **expected):
    """Return the answer of a process whose steps take 0.1 s, and a tenth more in each."""
    timing = {
        "samples_s": [0.1 * 1.1**seed] * 5, "steps_per_block": 1, "warm_up_s": 1.0, "warm_up_steps": 3,
        "status": "ok", "median_s": 0.1, "low_s": 0.1, "high_s": 0.1, "flags": [],
    }  # fmt: skip
    return {
        "timing": timing, "latencies_s": [0.1], "first_step_s": 0.5, **({"replay_s": 0.05} if seed == 0 else {}),
        "peak_allocated_bytes": None, "peak_reserved_bytes": None, "energy_j": None, "energy_steps": 5,
        "expectation": asdict(expectation(images_per_s=50.0, **expected)) if seed == 0 else None,
        "flags": list(flags), "environment": {"seed": seed},
    }  # fmt: skip


@pytest.fixture
def answers(monkeypatch):
    """Let processes answer by a function of the request, and return what was asked."""
    asked = []

    def use(answer):
        def run_request(request, on_phase, variables=None):
            asked.append((request.task, request.seed))
            on_phase("measuring")
            return answer(request)

        monkeypatch.setattr(session, "run_request", run_request)
        return asked

    return use


def test_all_processes_are_one_result_and_the_first_says_what_is_expected(answers):
    answers(lambda request: answer_of(request.seed))
    found = measure_configuration(CONFIGURATION, OPTIONS, "here", print)
    assert found.samples_per_process == (5, 5, 5)
    assert found.images_per_s == pytest.approx(4 / 0.11)
    # 1000 FLOPs in 0.11 s.
    assert found.flop_per_s == pytest.approx(1000 / 0.11)
    assert (found.predicted_images_per_s, found.replay_s, found.environment) == (50.0, 0.05, {"seed": 0})


def test_a_flag_of_several_processes_is_kept_once(answers):
    flags = {1: ["throttled: thermal in 1 of 9 readings"], 2: ["throttled: thermal in 2 of 9 readings"]}
    answers(lambda request: answer_of(request.seed, flags.get(request.seed, ())))
    found = measure_configuration(CONFIGURATION, OPTIONS, "here", print)
    assert found.flags == ("throttled: thermal in 1 of 9 readings",)
    assert found.status == "ok"


@pytest.mark.parametrize(("published", "status"), [(None, "ok"), (20_000.0, "ok"), (8000.0, "implausible")])
def test_a_rate_above_the_measured_peak_is_a_flag_and_above_the_published_peak_implausible(answers, published, status):
    answers(lambda request: answer_of(request.seed, peak_flop_per_s=5000.0, published_flop_per_s=published))
    found = measure_configuration(CONFIGURATION, OPTIONS, "here", print)
    # 1000 FLOPs in 0.11 s are 9091 a second: 1.82 times 5000, and 1.14 times 8000.
    assert found.status == status
    assert found.utilisation == pytest.approx(1000 / 0.11 / 5000)
    if status == "ok":
        said_of = "peak: 1.82 times what was measured of this machine; 'archbench devices --measure' measures it again"
        assert found.flags == (said_of,)
    else:
        assert found.reason == "peak: 1.14 times what the hardware can do"


@pytest.mark.parametrize(("published", "status"), [(1e10, "implausible"), (2e10, "ok")])
def test_a_bandwidth_above_the_published_one_is_implausible(answers, published, status):
    # Weights of 2 GB in 0.11 s are 18.2 GB/s; 5 were measured here.
    expected = {"least_bytes": 2 * 10**9, "bandwidth_bytes_per_s": 5e9, "published_bytes_per_s": published}
    answers(lambda request: answer_of(request.seed, **expected))
    found = measure_configuration(CONFIGURATION, OPTIONS, "here", print)
    assert found.status == status
    if status == "ok":
        assert found.flags[0].startswith("bandwidth: 3.64 times what was measured of this machine")
    else:
        assert found.reason == "bandwidth: 1.82 times what the memory can do"


def test_phases_are_numbered_by_process(answers):
    answers(lambda request: answer_of(request.seed))
    phases = []
    measure_configuration(CONFIGURATION, OPTIONS, "here", phases.append)
    assert phases == [f"measuring, process {number} of 3" for number in (1, 2, 3)]
    phases.clear()
    measure_configuration(CONFIGURATION, replace(OPTIONS, processes=1), "here", phases.append)
    assert phases == ["measuring"]


def test_phases_are_a_run_of_their_own(answers):
    phases = {"forward": 0.1, "backward": 0.2}
    asked = answers(lambda request: {"phases_s": phases} if request.task == "phases" else answer_of(request.seed))
    assert measure_configuration(CONFIGURATION, WITH_PHASES, "here", print).phases_s == phases
    assert asked == [("measure", 0), ("measure", 1), ("measure", 2), ("phases", 0)]
    asked.clear()
    evaluated = measure_configuration(replace(CONFIGURATION, mode="eval"), WITH_PHASES, "here", print)
    assert (evaluated.phases_s, len(asked)) == ({}, 3)


def test_phases_that_fail_take_nothing_with_them(answers):
    answers(lambda request: Failure("failed", "killed", -9) if request.task == "phases" else answer_of(request.seed))
    found = measure_configuration(CONFIGURATION, WITH_PHASES, "here", print)
    assert (found.status, found.flags, found.phases_s) == ("ok", ("phases: killed",), {})


def test_a_process_that_ends_is_the_result(answers):
    ended = Failure("oom", "out of memory", environment={"torch": "2"})
    asked = answers(lambda request: ended if request.seed == 1 else answer_of(request.seed))
    found = measure_configuration(CONFIGURATION, WITH_PHASES, "here", print)
    assert (found.status, found.reason, len(asked)) == ("oom", "out of memory", 2)
    assert found.environment == {"torch": "2"}
