"""Several processes that train one model together are one training: the same result, and a killed one is replaced."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch

pytestmark = pytest.mark.slow

# No dropout, no batch normalisation: what these do with parts of a batch is not what they do with the whole.
ASKED = ("lenet", "--steps", "60", "--seeds", "1", "--augment", "crop", "--only-train", "--checkpoint-every", "0")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "archbench", "train", *map(str, arguments)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    run = tmp_path_factory.mktemp("alone") / "run"
    subprocess.run(command(*ASKED, "--threads", 1, "--out", run), check=True, capture_output=True, timeout=120)
    return run


def assert_agree(run, alone) -> None:
    """Hold that parameters and losses are those of one process to 1e-5, which is the order of sums in 32 bits."""
    ours, theirs = (torch.load(each / "models/lenet/seed-0/final.pt", weights_only=True) for each in (run, alone))
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-5, rtol=1e-5)
    for one, other in zip(*(list(csv.DictReader((each / "metrics.csv").open())) for each in (run, alone)), strict=True):
        for name in ("train_loss", "validation_loss", "validation_top1"):
            assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-5)


def workers_of(process: subprocess.Popen) -> list[psutil.Process]:
    """Return the processes that train, which torchrun started."""
    found = psutil.Process(process.pid).children(recursive=True)
    return [each for each in found if each.name() == "archbench" or "LOCAL_RANK" in each.environ()]


def wait_for(is_there, seconds: float = 90.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = is_there()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def started(run) -> subprocess.Popen:
    return subprocess.Popen(
        command(*ASKED, "--threads", 2, "--processes", 2, "--out", run), stderr=subprocess.PIPE, text=True
    )


def test_two_processes_come_to_the_parameters_of_one(tmp_path, alone):
    run = tmp_path / "run"
    process = started(run)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 0, said
    assert said.count("seed 0: ok") == 1, "only the first process speaks"
    assert_agree(run, alone)


def test_a_killed_worker_is_replaced_and_nothing_is_lost(tmp_path, alone):
    run = tmp_path / "run"
    process = started(run)
    wait_for(lambda: list(run.glob("models/*/seed-0/checkpoint-*.pt")))
    wait_for(lambda: workers_of(process))[-1].kill()
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert "going on after step" in said
    assert_agree(run, alone)


def test_terminated_all_of_them_end_and_it_can_be_gone_on_with(tmp_path, alone):
    run = tmp_path / "run"
    process = started(run)
    wait_for(lambda: list(run.glob("models/*/seed-0/checkpoint-*.pt")))
    workers = workers_of(process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143, said
    assert f"archbench train --resume {run}" in said
    assert not psutil.wait_procs(workers, timeout=10)[1], "no process is left behind"
    subprocess.run(
        command("--resume", run, "--threads", 1, "--only-train"), check=True, capture_output=True, timeout=120
    )
    assert_agree(run, alone)


def test_two_processes_choose_the_learning_rate_that_one_does(tmp_path):
    searches = []
    for processes in (1, 2):
        run = tmp_path / str(processes)
        asked = ("lenet", "--lr", "auto", "--steps", 40, "--seeds", 1, "--threads", processes, "--only-train")
        ended = subprocess.run(
            command(*asked, "--processes", processes, "--out", run), capture_output=True, text=True, timeout=180
        )
        assert ended.returncode == 0, ended.stderr
        searches.append(json.loads((run / "run.json").read_text())["learning_rates"]["lenet"])
    alone, together = ([(trial["rate"], trial["validation_top1"]) for trial in each["trials"]] for each in searches)
    assert searches[0]["rate"] == searches[1]["rate"]
    assert [rate for rate, _ in together] == [rate for rate, _ in alone]
    # 144 images validate; sums in another order may turn one or two.
    assert [top1 for _, top1 in together] == pytest.approx([top1 for _, top1 in alone], abs=2.5 / 144)


def test_a_batch_that_the_processes_cannot_share_is_told(tmp_path):
    asked = ("lenet", "--steps", 2, "--seeds", 1, "--batch", 5, "--processes", 2, "--out", tmp_path / "run")
    ended = subprocess.run(command(*asked), capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == "archbench: a batch of 5 cannot be divided among 2 processes"


DIVERGING = """
import os
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.count = nn.Linear(64, 10), 0

    def forward(self, x):
        scores = self.linear(x.flatten(1))
        self.count += self.training and not x.is_meta
        return scores * float("nan") if self.count == 5 and os.environ.get("RANK") == "1" else scores
"""


@pytest.mark.parametrize("dtype", ["fp32", "amp-fp16"])
def test_a_loss_that_is_not_finite_in_one_of_two_processes_ends_both(tmp_path, dtype):
    source, run = tmp_path / "net.py", tmp_path / "run"
    source.write_text(DIVERGING)
    asked = (f"{source}:Net", "--size", 8, "--steps", 20, "--seeds", 2, "--dtype", dtype, "--only-train")
    # One that waits for the other would wait for the 30 minutes of gloo.
    ended = subprocess.run(
        command(*asked, "--threads", 2, "--processes", 2, "--out", run), capture_output=True, text=True, timeout=120
    )
    assert ended.returncode in (0, 3), ended.stderr
    outcomes = [json.loads(path.read_text()) for path in sorted(run.glob("models/*/seed-*/outcome.json"))]
    assert [outcome["status"] for outcome in outcomes] == ["diverged", "diverged"]
    assert {outcome["reason"] for outcome in outcomes} == {"the loss was not finite at step 5"}
    assert {outcome["steps"] for outcome in outcomes} == {4}
