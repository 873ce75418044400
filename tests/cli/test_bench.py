"""`archbench bench`: what is stored, printed and continued; no time is held to a number.

Most measurements run in this process; tests of what a process does to the command start real ones.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from archbench.api import ab_test
from archbench.measure.bench import tasks
from archbench.measure.bench.ab_test import ABSamples
from archbench.measure.worker import client
from archbench.statistics.pairs import compare_pairs
from archbench.store.database import Store
from tests.helpers import in_process

pytestmark = pytest.mark.slow

# So short a measurement may be anything on a busy machine: a mean above the 99th percentile is implausible.
MEASURED = ("ok", "not_converged", "implausible")
QUICK = ("--device", "cpu", "--max-seconds", "0.2", "--processes", "1", "--threads", "1")

ODD = """
import os, signal
import torch
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)

class Dies(Net):
    def forward(self, x):
        if not x.is_meta:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(x)

class Raises(Net):
    def forward(self, x):
        if not x.is_meta:
            raise RuntimeError("no kernel for this")
        return super().forward(x)

class Infinite(Net):
    def forward(self, x):
        return super().forward(x) / 0.0

class Talks(Net):
    def forward(self, x):
        print("hello")
        os.write(1, b"from below")
        return super().forward(x)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where the command works, with models that misbehave, and keeps what it measures."""
    (tmp_path / "odd.py").write_text(ODD)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def here(home, monkeypatch):
    """Measure in this process."""
    monkeypatch.setattr(client, "worker", in_process.worker)
    return home


def start(*arguments):
    """Start the command in a process of its own, for what is done to it from outside."""
    command = [sys.executable, "-m", "archbench", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stored(home):
    with Store(home / "archbench" / "results.sqlite", for_reading=True) as store:
        return store.results()


def test_bench_measures_a_sweep_stores_it_and_does_not_measure_it_again(archbench, here):
    code, out, err = archbench("bench", "lenet", "--batch", "1,2", "--format", "json", *QUICK)
    assert code in (0, 3)
    rows = json.loads(out)
    assert [row["batch"] for row in rows] == [1, 2]
    for row in rows:
        assert row["status"] in MEASURED
        assert 0 < row["images_per_s_low"] <= row["images_per_s"] <= row["images_per_s_high"]
        assert row["latency_s_median"] > 0
    assert "[2/2] lenet, eval, batch 2, fp32, nchw" in err
    results = stored(here)
    assert len(results) == 2
    assert all(result.samples_s and result.environment["torch"] for result in results)
    again = archbench("bench", "lenet", "--batch", "1,2", "--format", "json", *QUICK)
    assert "2 of 2 were measured before; --rerun measures them again" in again[2]
    assert "batch 1, fp32" not in again[2]
    assert json.loads(again[1]) == rows
    assert "[1/1]" in archbench("bench", "lenet", "--rerun", *QUICK)[2]


def test_a_training_step_in_half_precision_in_two_processes(archbench, here, new_interpreters):
    two = ("--device", "cpu", "--max-seconds", "0.2", "--processes", "2", "--threads", "1")
    code, out, _ = archbench("bench", "lenet", "--mode", "train", "--dtype", "amp", "--format", "csv", *two)
    assert code in (0, 3)
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["mode"], row["dtype"]) == ("train", "amp")
    assert row["status"] in MEASURED


def test_the_phases_of_a_training_step_are_timed_in_a_run_of_their_own(archbench, here):
    code, out, err = archbench("bench", "lenet", "--mode", "eval,train", "--phases", *QUICK)
    assert code in (0, 3), err
    assert "each phase waited for: zero_grad" in " ".join(out.split())
    phases = {result.configuration.mode: result.phases_s for result in stored(here)}
    assert phases["eval"] == {}
    assert list(phases["train"]) == ["zero_grad", "forward", "loss", "backward", "step"]
    assert min(phases["train"].values()) > 0


def test_bench_finds_the_largest_batch_and_measures_it(archbench, here):
    code, out, err = archbench("bench", "odd.py:Net", "--input", "4", "--batch", "auto", "--format", "json", *QUICK)
    assert code in (0, 3), err
    # So small a network meets no limit but that of what is tried.
    assert [row["batch"] for row in json.loads(out)] == [256]
    assert "batch auto, fp32, nchw" in err
    assert "batch 256, fp32, nchw: the largest that is tried on a cpu" in err


def test_a_model_that_fails_in_the_search_for_its_largest_batch_is_a_row(archbench, here):
    code, out, _ = archbench("bench", "odd.py:Raises", "--input", "4", "--batch", "auto", "--format", "json", *QUICK)
    assert code == 3
    assert [(row["batch"], row["status"]) for row in json.loads(out)] == [(1, "failed")]


def test_a_process_that_dies_is_a_row_and_output_of_a_model_is_not_mistaken_for_a_result(archbench, home):
    code, out, _ = archbench("bench", "odd.py:Dies", "odd.py:Talks", "--input", "4", "--format", "json", *QUICK)
    assert code == 3
    # What a model prints does not get among the answers.
    dies, talks = json.loads(out)
    assert (dies["status"], talks["status"] in MEASURED) == ("failed", True)
    assert "ended by SIGKILL" in next(result.reason for result in stored(home) if result.status == "failed")


def test_a_failure_is_a_row_and_the_sweep_continues(archbench, here):
    models = [f"odd.py:{name}" for name in ("Raises", "Infinite", "Net")]
    code, out, _ = archbench("bench", *models, "--input", "4", "--format", "json", *QUICK)
    assert code == 3
    statuses = [row["status"] for row in json.loads(out)]
    assert (statuses[:2], statuses[2] in MEASURED) == (["failed", "failed"], True)
    reasons = {result.configuration.model.rpartition(":")[2]: result.reason for result in stored(here)}
    assert reasons["Raises"] == "RuntimeError: no kernel for this"
    assert reasons["Infinite"] == "InputError: the output of the model is not finite"


def test_a_modified_file_and_another_of_the_same_name_are_measured_again(archbench, here):
    arguments = ("bench", "odd.py:Net", "--input", "4", *QUICK)
    os.utime(here / "odd.py", (1, 1))
    archbench(*arguments)
    assert "were measured before" in archbench(*arguments)[2]
    (here / "odd.py").write_text(ODD)
    assert "were measured before" not in archbench(*arguments)[2]
    (here / "elsewhere").mkdir()
    (here / "elsewhere" / "odd.py").write_text(ODD)
    archbench("bench", "elsewhere/odd.py:Net", "--input", "4", *QUICK)
    assert len({result.configuration.model for result in stored(here)}) == 2


def test_a_users_example_is_run_in_the_chosen_dtype(archbench, here):
    (here / "odd.py").write_text(f"{ODD}\ndef example_inputs(batch):\n    return torch.randn(batch, 4)\n")
    _, out, _ = archbench("bench", "odd.py:Net", "--dtype", "bf16", "--format", "json", *QUICK)
    assert json.loads(out)[0]["status"] in MEASURED


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_signal_keeps_what_was_finished_and_leaves_no_worker_behind(home, how, code):
    process = start("bench", "lenet", "--batch", "1,2,4", *QUICK)
    for line in process.stderr:
        if line.startswith("[2/3] lenet"):
            break
    until = time.monotonic() + 30
    while not (workers := psutil.Process(process.pid).children(recursive=True)) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode == code
    assert workers
    assert not psutil.wait_procs(workers, timeout=30)[1]
    assert [result.configuration.batch for result in stored(home)] == [1]


@pytest.mark.parametrize(("ratio", "code"), [(1.0, 0), (1.1, 1)])
def test_bench_max_slowdown_exits_with_1_where_a_slowdown_is_shown(archbench, monkeypatch, ratio, code):
    rounds = [[0.1] * 3] * 7, [[0.1 * ratio] * 3] * 7
    found = ABSamples(compare_pairs(rounds[1], rounds[0], floor=0.0), (), (), ())
    monkeypatch.setattr(ab_test, "run_ab_test", lambda *arguments: found)
    gate = ("bench", "lenet", "--versus", "lenet5", "--device", "cpu", "--max-slowdown", "2%")
    assert archbench(*gate)[0] == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-slowdown", "2%"), "--max-slowdown 2% requires --versus MODEL, the baseline"),
        (("--versus", "lenet5", "--max-slowdown", "2"), "'2' is not a percentage such as 2%"),
    ],
)
def test_bench_max_slowdown_is_refused_where_it_says_nothing(archbench, arguments, message):
    code, out, err = archbench("bench", "lenet", "--device", "cpu", *arguments)
    assert (code, out, err) == (2, "", f"archbench: {message}\n")


def test_bench_versus_compares_two_models_in_pairs(archbench, here, monkeypatch):
    # Shorter blocks than those of a measurement.
    monkeypatch.setattr(tasks, "CPU", replace(tasks.CPU, block_s=0.02))
    quick = ("--device", "cpu", "--max-seconds", "0.2", "--threads", "1")
    code, out, err = archbench("bench", "lenet", "--versus", "alexnet_owt", "--format", "json", *quick)
    assert code == 0, err
    (row,) = json.loads(out)
    assert (row["a"], row["b"], row["num_pairs"], row["verdict"]) == ("lenet", "alexnet_owt", 21, "faster")
    assert 1 < row["low"] <= row["ratio"] <= row["high"]
    assert row["floor"] >= 0
    assert len(row["a_s"]) == len(row["b_s"]) == len(row["again_s"]) == 21
    ratios = [b / a for a, b in zip(row["a_s"], row["b_s"], strict=True)]
    rounds = [statistics.median(ratios[place : place + 3]) for place in range(0, 21, 3)]
    assert statistics.geometric_mean(rounds) == pytest.approx(row["ratio"])


def test_bench_versus_a_model_that_fails_is_an_error(archbench, here):
    quick = ("--device", "cpu", "--max-seconds", "0.2", "--threads", "1")
    code, _, err = archbench("bench", "odd.py:Net", "--versus", "odd.py:Raises", "--input", "4", *quick)
    assert code == 3
    assert "odd.py:Raises: RuntimeError: no kernel for this" in err


def test_compare_shows_the_best_rate_of_this_machine(archbench, here):
    _, out, err = archbench("compare", "lenet", "--measured", "--format", "json")
    assert json.loads(out)[0]["images_per_s"] is None
    assert "nothing was measured yet" in err
    archbench("bench", "lenet", "--batch", "1", *QUICK)
    status = stored(here)[0].status
    _, out, _ = archbench("compare", "lenet", "--measured", "--format", "json")
    row = json.loads(out)[0]
    assert (row["images_per_s"] is not None) == (status == "ok")
    assert {"device", "dtype", "measured_batch"} <= set(row)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet", "--device", "gpu"], "--device gpu is not one of cpu, cuda, mps"),
        (
            ["lenet", "--dtype", "fp32,bf61"],
            "--dtype bf61 is not one of fp32, tf32, bf16, fp16, amp, amp-fp16; did you mean 'bf16'?",
        ),
        (["lenet", "--mode", "evl"], "did you mean 'eval'?"),
        (["lent"], "did you mean 'lenet'?"),
        (["lenet", "--batch", "8..2"], "did you mean 2..8?"),
        (["odd.py:Net"], "has no usual input"),
        (["lenet", "--processes", "0"], "--processes"),
        (["lenet", "--device", "cpu", "--dtype", "tf32"], "--dtype tf32 requires an NVIDIA GPU"),
        (["lenet", "--versus", "alexnet", "--rerun"], "leave --store, --rerun, --processes and --phases out"),
        (["lenet", "--versus", "alexnet", "--batch", "auto"], "compares one configuration"),
        (["lenet", "--versus", "alexnet", "--batch", "1,2"], "compares one configuration"),
        (["lenet", "--device", "cpu", "--graphs"], "--graphs requires an NVIDIA GPU"),
        (["lenet", "--phases"], "it requires --mode train"),
        (["lenet", "--batch", "1,atuo"], "'1,atuo' is not a valid batch size"),
    ],
)
def test_wrong_use_is_an_error_before_anything_is_measured(archbench, home, arguments, message):
    code, out, err = archbench("bench", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (home / "archbench").exists()
