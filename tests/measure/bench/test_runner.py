from __future__ import annotations

from dataclasses import replace

import pytest

from archbench.errors import MeasurementError
from archbench.measure.bench import runner as module
from archbench.measure.bench.max_batch import Largest
from archbench.measure.bench.runner import Runner
from archbench.measure.bench.sweep import AUTO, configurations
from archbench.measure.worker.request import RunOptions
from archbench.progress import Progress
from archbench.store.database import Store
from archbench.store.records import Result

OPTIONS = RunOptions(max_seconds=60.0, processes=5)
ONE_PROCESS = replace(OPTIONS, processes=1)


def sweep(batches=(1, 8), modes=("eval",)):
    return configurations(["lenet"], kind="cpu", device="Some CPU", batches=batches, modes=modes, threads=2)


class Recorder(Progress):
    """Remembers its calls."""

    def __init__(self):
        self.begun, self.ended, self.notes = [], [], []

    def begin(self, task, steps=None, done=0):
        self.begun.append(task)

    def note(self, text):
        self.notes.append(text)

    def end(self, result):
        self.ended.append(result.configuration.batch)


@pytest.fixture
def measured(monkeypatch):
    """Let every measurement succeed at once, and return the batches that were measured."""
    batches = []

    def measure(configuration, options, machine, on_phase, siblings=()):
        batches.append(configuration.batch)
        phases_s = {"forward": 1.0} if options.phases and configuration.mode == "train" else {}
        started_at = f"2100-01-01T00:00:{len(batches):02}+00:00"
        return Result(
            f"{len(batches)}", started_at, machine, configuration, "ok", phases_s=phases_s,
            samples_s=(1.0,) * options.processes, samples_per_process=(1,) * options.processes,
        )  # fmt: skip

    monkeypatch.setattr(module, "measure_configuration", measure)
    return batches


@pytest.fixture
def largest(monkeypatch):
    """Say what the largest safe batch is to be."""

    def use(batch, *, is_capped=False):
        monkeypatch.setattr(module, "largest_batch_here", lambda *_: Largest(batch, 2**20, 2**30, is_capped))

    return use


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "a.sqlite") as opened:
        yield opened


def run(todo, store, options=OPTIONS, *, rerun=False):
    recorder = Recorder()
    runner = Runner(todo, options, store, "here", rerun=rerun)
    return [result.configuration.batch for result in runner.run(recorder)], recorder, runner.num_stored


def test_stored_results_are_not_measured_again_without_rerun(store, measured):
    assert run(sweep([1]), store)[0] == [1]
    found, recorder, num_stored = run(sweep(), store)
    assert (found, num_stored, measured) == ([1, 8], 1, [1, 8])
    assert recorder.begun == ["lenet, eval, batch 8, fp32, nchw"]
    assert recorder.ended == [1, 8]
    assert run(sweep(), store, rerun=True)[2] == 0
    assert measured == [1, 8, 1, 8]


def test_each_result_is_kept_before_the_next_is_begun(store, measured):
    results = Runner(sweep(), OPTIONS, store, "here").run(Progress())
    next(results)
    assert [result.configuration.batch for result in store.results()] == [1]


def test_the_largest_batch_is_measured_like_any_other(store, measured, largest):
    largest(412)
    found, recorder, _ = run(sweep([1, AUTO]), store)
    # 412 is 110011100 in binary; five leading digits are kept.
    assert found == measured == [1, 400]
    assert recorder.begun[1] == "lenet, eval, batch auto, fp32, nchw"
    assert recorder.notes == [
        "lenet, eval, batch 400, fp32, nchw: the largest that is safe, rounded down (412 take 1.000 MiB of 1.000 GiB)"
    ]
    # It is looked for again, when a little more is free, and found among what was measured.
    largest(415)
    assert run(sweep([AUTO]), store)[0] == [400]
    assert measured == [1, 400]


def test_a_capped_batch_has_a_note(store, measured, largest):
    largest(256, is_capped=True)
    notes = run(sweep([AUTO]), store)[1].notes
    assert notes == [
        "lenet, eval, batch 256, fp32, nchw: the largest that is tried on a cpu (256 take 1.000 MiB of 1.000 GiB)"
    ]


def test_an_auto_batch_that_is_also_listed_is_one_result(store, measured, largest):
    largest(8)
    assert run(sweep([8, AUTO]), store, rerun=True)[0] == measured == [8]


def test_if_no_batch_fits_or_runs_one_sample_is_measured(store, measured, largest, monkeypatch):
    largest(0)
    found, recorder, _ = run(sweep([AUTO]), store)
    assert found == [1]
    assert recorder.notes == ["lenet, eval, batch 1, fp32, nchw: not even one sample is safe with 1.000 GiB"]

    def fail(*_):
        raise MeasurementError("lenet: it crashes")

    monkeypatch.setattr(module, "largest_batch_here", fail)
    assert run(sweep([AUTO]), store, rerun=True)[0] == [1]
    assert store.results()[0].flags == ("batch: the largest was not found, as lenet: it crashes",)


def test_results_of_fewer_processes_are_measured_again(store, measured):
    one = sweep([1])
    run(one, store, ONE_PROCESS)
    assert run(one, store)[2] == 0
    assert run(one, store)[2] == run(one, store, replace(OPTIONS, processes=2))[2] == 1
    assert measured == [1, 1]


@pytest.mark.parametrize(
    ("status", "seconds", "is_kept"),
    [
        *[("ok", 10.0, True), ("not_converged", 60.0, True), ("not_converged", 10.0, False)],
        *[("implausible", 10.0, True), ("oom", 60.0, False), ("failed", 60.0, False)],
    ],
)
def test_failures_and_results_of_less_time_are_measured_again(store, measured, status, seconds, is_kept):
    (configuration,) = sweep([1])
    before = Result(
        "before", "2100-01-01T00:00:00+00:00", "here", configuration, status,
        samples_per_process=(5,), environment={"max_seconds": seconds},
    )  # fmt: skip
    store.add(before)
    assert Runner([configuration], ONE_PROCESS, store, "here").num_stored == is_kept


@pytest.mark.parametrize(("now", "then"), [("torch", "1.0"), ("tool", "0.0.1")])
def test_results_of_another_version_are_measured_again(store, measured, now, then):
    (configuration,) = sweep([1])
    before = Result(
        "before", "2100-01-01T00:00:00+00:00", "here", configuration, "ok",
        samples_per_process=(5,), environment={now: then},
    )  # fmt: skip
    store.add(before)
    assert Runner([configuration], ONE_PROCESS, store, "here").num_stored == 0


@pytest.mark.parametrize(
    ("environment", "cold", "is_kept"),
    [
        ({"start": "warm"}, True, False),
        ({"start": "cold"}, True, True),
        ({}, True, True),
        ({"start": "warm"}, False, True),
    ],
)
def test_results_of_forked_workers_are_measured_again_for_new_interpreters(store, measured, environment, cold, is_kept):
    (configuration,) = sweep([1])
    before = Result(
        "before", "2100-01-01T00:00:00+00:00", "here", configuration, "ok",
        samples_per_process=(5,), environment=environment,
    )  # fmt: skip
    store.add(before)
    assert Runner([configuration], replace(ONE_PROCESS, cold=cold), store, "here").num_stored == is_kept


def test_a_stored_result_without_phases_is_measured_again_for_them(store, measured):
    both, with_phases = sweep([1], ["eval", "train"]), replace(OPTIONS, phases=True)
    run(both, store)
    assert len(measured) == 2
    assert run(both, store, with_phases)[2] == 1
    assert len(measured) == 3
    assert run(both, store, with_phases)[2] == 2
