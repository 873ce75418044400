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
from results import measure_memory, measure_throughput


@pytest.fixture
def gpu_grid(monkeypatch):
    monkeypatch.setattr(measure_throughput, "device_name", lambda kind: "NVIDIA H200")
    return measure_throughput.grid("cuda")


def test_a_gpus_grid_has_every_model_and_at_most_a_hundred_configurations(gpu_grid):
    assert len(set(gpu_grid)) == len(gpu_grid) <= 100
    assert {configuration.model for configuration in gpu_grid} == set(model_names())
    # One of each family, at two batches in three dtypes.
    plain = {(c.model, c.batch, c.dtype) for c in gpu_grid if c.mode == "eval" and not (c.compiled or c.graphs)}
    for model in ("lenet5", "alexnet", "zfnet", "vgg16"):
        assert {(model, batch, dtype) for batch in (1, 256) for dtype in ("fp32", "tf32", "bf16")} <= plain
    # What is held to 70% of the measured ceiling.
    vgg16 = next(c for c in gpu_grid if c.model == "vgg16")
    assert replace(vgg16, batch=256, dtype="bf16", layout="nhwc", compiled=True) in gpu_grid
    for model in ("alexnet", "vgg16", "vgg16_bn"):
        of_model = [c for c in gpu_grid if c.model == model]
        assert {c.layout for c in of_model} == {"nchw", "nhwc"}
        assert any(c.mode == "train" for c in of_model)
        assert any(c.graphs for c in of_model)
        assert any(c.compiled for c in of_model)


def test_a_cpus_grid_has_every_model_at_two_batches():
    found = measure_throughput.grid("cpu")
    assert {(c.model, c.batch) for c in found} == {(model, batch) for model in model_names() for batch in (1, 8)}
    assert {(c.dtype, c.mode) for c in found} == {("fp32", "eval")}


def test_the_table_and_the_newest_environment_are_written(tmp_path):
    what = Configuration("lenet", "1x32x32", "cuda", "NVIDIA H200", "eval", 1, "bf16", "nchw", False, False, 0)
    old = Result("a", "2026-01-01", "here", what, "ok", images_per_s=1.5, environment={"torch": "2.11"})
    new = Result("b", "2026-02-01", "here", what, "oom", environment={"torch": "2.15"})
    compiled = replace(what, compiled=True)
    failed = replace(new, run_id="c", started_at="2026-03-01", configuration=compiled, status="failed", environment={})
    other = replace(what, batch=2)
    todo = [what, other, replace(what, batch=3), compiled]
    found = {other: replace(old, configuration=other), compiled: failed, what: new}
    measure_throughput.write(todo, found, tmp_path)
    with (tmp_path / "nvidia_h200_throughput.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["model"], row["status"], row["images_per_s"]) for row in rows] == [
        ("lenet", "oom", ""),
        ("lenet", "ok", "1.5"),
        ("lenet", "failed", ""),
    ]
    document = json.loads((tmp_path / "nvidia_h200_environment.json").read_text())
    assert document == {"device": "NVIDIA H200", "torch": "2.15"}


@pytest.fixture
def throughput(monkeypatch, tmp_path):
    """Call the script on a grid of five sizes of one model, of which the first fails; return the sizes measured."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(measure_throughput, "model_names", lambda: ["lenet"])
    monkeypatch.setattr(measure_throughput, "cpu_choices", lambda names: [(names, batches)])
    batches = measure_throughput.settings([1, 2, 3, 4, 5], ["fp32"])
    tried = []

    def measure(configuration, options, machine, *_):
        tried.append(configuration.batch)
        status = "failed" if configuration.batch == 1 else "ok"
        started_at = f"2100-01-01T00:00:{len(tried):02}+00:00"
        return Result(f"{len(tried)}", started_at, machine, configuration, status, samples_per_process=(5,))

    monkeypatch.setattr(runner, "measure_configuration", measure)

    def call(*arguments):
        before = len(tried)
        options = ("--device", "cpu", "--processes", "1", "--folder", str(tmp_path))
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


def test_long_steps_of_the_gpus_grid_can_converge(monkeypatch):
    from archbench.measure.bench.timing import GPU

    monkeypatch.setattr(measure_throughput, "device_name", lambda kind: "NVIDIA H200")
    grid, seconds = measure_throughput.grid("cuda"), measure_throughput.run_options("cuda", None).process_seconds
    # 15.5 GMACs an image forward and 3 times that in training, at 67 TFLOP/s (H200, fp32).
    image_s = {"eval": 2 * 15.5e9 / 67e12, "train": 6 * 15.5e9 / 67e12}
    for what in grid:
        if what.model == "vgg16" and what.dtype == "fp32":
            assert GPU.least_blocks * what.batch * image_s[what.mode] < seconds
    # Warm-up may take as long again.
    assert 2 * seconds <= 12


def test_the_memory_grid_has_every_model_and_the_studied_ones_in_full():
    grid = measure_memory.grid()
    assert len(set(grid)) == len(grid) == 63
    assert {what[0] for what in grid} == {*model_names(), "torchvision:resnet50"}
    of_vgg16 = {what[1:] for what in grid if what[0] == "vgg16" and what[1] == "train"}
    assert len(of_vgg16) == 2 * 2 * 2


@pytest.fixture
def memory(monkeypatch, tmp_path):
    """Go on with a grid of four models, of which the first fails; return those that were asked and the table."""
    asked = []
    todo = [(name, "eval", "fp32", "nchw", "32") for name in "abcd"]

    def ask(what):
        asked.append(what[0])
        if what[0] == "a":
            return {"status": "failed", "reason": "the process was ended by SIGKILL"}
        return {"status": "ok", "measured_bytes": 100, "predicted_bytes": 101, "error": 0.01}

    monkeypatch.setattr(measure_memory, "run_process", ask)

    def call(minutes, gpu="NVIDIA H200", *, rerun=False):
        before = len(asked)
        measure_memory.measure_missing(todo, tmp_path / "memory.csv", gpu, minutes, rerun=rerun)
        rows = list(csv.DictReader((tmp_path / "memory.csv").open())) if (tmp_path / "memory.csv").exists() else []
        return "".join(asked[before:]), "".join(row["model"] for row in rows), rows

    return call


def test_memory_is_written_row_by_row_and_failures_come_last(memory, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        moments = iter([0, 0, 1, 2])  # s: when the time is set, and before each
        patch.setattr(measure_memory.time, "monotonic", lambda: next(moments))
        assert memory(1.5 / 60)[:2] == ("ab", "ab")
    assert "2 of 4 are missing; the same command continues" in capsys.readouterr().out
    asked, names, rows = memory(9)
    assert (asked, names) == ("cda", "abcd")
    assert "all 4 were measured, 1 failed" in capsys.readouterr().out
    assert (rows[0]["status"], rows[0]["reason"]) == ("failed", "the process was ended by SIGKILL")
    assert (rows[1]["measured_bytes"], rows[1]["gpu"]) == ("100", "NVIDIA H200")


def test_memory_is_measured_again_with_rerun_and_on_another_gpu(memory):
    memory(9)
    assert memory(9)[:2] == ("a", "abcd")
    assert memory(9, rerun=True)[0] == "abcd"
    # Another GPU's rows are no answer.
    assert memory(9, "NVIDIA L4")[0] == "abcd"


def test_a_killed_process_is_a_failed_row(monkeypatch, tmp_path):
    script = tmp_path / "dies.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(measure_memory, "__file__", str(script))
    answer = measure_memory.run_process(("lenet", "eval", "fp32", "nchw", "32"))
    assert answer["status"] == "failed"
    assert answer["reason"].startswith("the process was ended by SIGKILL")


def test_memory_in_fp32_is_measured_without_tf32():
    backends = measure_memory.torch.backends
    before = backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32
    try:
        for dtype, is_allowed in (("tf32", True), ("fp32", False), ("amp", False)):
            measure_memory.round_products(PRECISIONS[dtype])
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
