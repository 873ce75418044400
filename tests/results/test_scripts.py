"""The scripts that measure the zoo and the measuring itself; what they measure is not run here."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from archbench.measure.bench import runner
from archbench.models.address import model_names
from archbench.precision import PRECISIONS
from archbench.store.records import Configuration, Result
from benchmarks import repeatability
from results import gpu_memory, measure_throughput


def test_a_cpus_grid_has_every_model_at_two_batches():
    found = measure_throughput.grid()
    assert {(c.model, c.batch) for c in found} == {(model, batch) for model in model_names() for batch in (1, 8)}
    assert {(c.dtype, c.mode) for c in found} == {("fp32", "eval")}


def test_the_table_and_the_newest_environment_are_written(tmp_path):
    what = Configuration("lenet", "1x32x32", "cpu", "Xeon", "eval", 1, "bf16", "nchw", False, False, 0)
    old = Result("a", "2026-01-01", "here", what, "ok", images_per_s=1.5, environment={"torch": "2.11"})
    new = Result("b", "2026-02-01", "here", what, "oom", environment={"torch": "2.15"})
    compiled = replace(what, compiled=True)
    failed = replace(new, run_id="c", started_at="2026-03-01", configuration=compiled, status="failed", environment={})
    other = replace(what, batch=2)
    todo = [what, other, replace(what, batch=3), compiled]
    found = {other: replace(old, configuration=other), compiled: failed, what: new}
    measure_throughput.write(todo, found, tmp_path)
    with (tmp_path / "cpu_throughput.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["model"], row["status"], row["images_per_s"]) for row in rows] == [
        ("lenet", "oom", ""),
        ("lenet", "ok", "1.5"),
        ("lenet", "failed", ""),
    ]
    document = json.loads((tmp_path / "cpu_environment.json").read_text())
    assert document == {"device": "Xeon", "torch": "2.15"}


@pytest.fixture
def throughput(monkeypatch, tmp_path):
    """Call the script on a grid of five sizes of one model, of which the first fails; return the sizes measured."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(measure_throughput, "model_names", lambda: ["lenet"])
    monkeypatch.setattr(measure_throughput, "BATCHES", [1, 2, 3, 4, 5])
    tried = []

    def measure(configuration, options, machine, *_):
        tried.append(configuration.batch)
        status = "failed" if configuration.batch == 1 else "ok"
        started_at = f"2100-01-01T00:00:{len(tried):02}+00:00"
        return Result(f"{len(tried)}", started_at, machine, configuration, status, samples_per_process=(5,))

    monkeypatch.setattr(runner, "measure_configuration", measure)

    def call(*arguments):
        before = len(tried)
        options = ("--processes", "1", "--folder", str(tmp_path))
        monkeypatch.setattr("sys.argv", ["", *options, *arguments])
        measure_throughput.main()
        rows = list(csv.DictReader((tmp_path / "cpu_throughput.csv").open()))
        return tried[before:], [int(row["batch"]) for row in rows]

    return call


def test_throughput_is_written_after_each_result_and_failures_come_last(throughput, capsys):
    # No time: one is begun all the same.
    assert throughput("--minutes", "0") == ([1], [1])
    assert throughput("--minutes", "0") == ([2], [1, 2])
    assert "3 of 5 are missing, 1 failed; the same command continues" in capsys.readouterr().out
    assert throughput() == ([3, 4, 5, 1], [1, 2, 3, 4, 5])
    assert "all 5 were measured, 1 failed; the same command continues" in capsys.readouterr().out
    assert throughput() == ([1], [1, 2, 3, 4, 5])


def test_throughput_with_rerun_begins_with_the_oldest_and_loses_nothing(throughput):
    throughput()
    assert throughput("--rerun", "--minutes", "0") == ([1], [1, 2, 3, 4, 5])
    assert throughput("--rerun", "--minutes", "0") == ([2], [1, 2, 3, 4, 5])
    assert throughput("--rerun")[0] == [3, 4, 5, 1, 2]


def test_memory_in_fp32_is_measured_without_tf32():
    backends = gpu_memory.torch.backends
    before = backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32
    try:
        for dtype, is_allowed in (("tf32", True), ("fp32", False), ("amp", False)):
            gpu_memory.round_products(PRECISIONS[dtype])
            assert (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32) == (is_allowed, is_allowed)
    finally:
        backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32 = before


def test_repeatability_reports_the_spread_of_invocations_and_the_trials_that_differ():
    rows = [{"kind": "invocation", "images_per_s": rate} for rate in ("98", "100", "101")]
    verdicts = ["faster", repeatability.SAME, repeatability.SAME]
    trials = [
        {"kind": "trial", "verdict": verdict, "p_value": p}
        for verdict, p in zip(verdicts, (0.01, 0.04, 0.5), strict=True)
    ]
    # 98 is 2% below the median, 101 is 3 / 98 = 3.06% above 98.
    assert list(repeatability.summary([*rows, *trials])) == [
        "3 invocations: at most 2.00% from their median, 3.06% from one to another",
        "3 trials of A against A: 1 called different; by the test alone 2",
    ]
    assert list(repeatability.summary([])) == []
