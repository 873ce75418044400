"""Training in processes of its own that are killed, stopped and run out of disk: nothing finished is lost."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

# Dropout in it, so that the states of random generators matter, too; one thread, so that nothing else does.
MODEL = """
from torch import nn

def net(num_classes=10):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(32), nn.Linear(32, num_classes)
    )

def example_inputs(batch):
    import torch
    return torch.randn(batch, 1, 8, 8)
"""
STEPS = 60
TIMES = {"images_per_s", "elapsed_s"}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "archbench", "train", *map(str, arguments)]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A run that nobody interrupted: its folder and the command that made it, without --out."""
    home = tmp_path_factory.mktemp("reference")
    (home / "net.py").write_text(MODEL)
    asked = [
        f"{home / 'net.py'}:net",
        "--steps",
        STEPS,
        "--seeds",
        1,
        "--augment",
        "crop",
        "--threads",
        1,
        "--only-train",
    ]
    subprocess.run(command(*asked, "--out", home / "run"), check=True, capture_output=True, timeout=120)
    return home / "run", asked


def seed_folder(run: Path) -> Path:
    return next((run / "models").glob("*/seed-0"))


def begun(asked, run, *, checkpoint_s=0) -> subprocess.Popen:
    return subprocess.Popen(
        command(*asked, "--out", run, "--checkpoint-every", checkpoint_s), stderr=subprocess.PIPE, text=True
    )


def gone_on(run, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        command("--resume", run, "--threads", 1, "--only-train", "--checkpoint-every", 0, *arguments),
        capture_output=True,
        text=True,
        timeout=120,
    )


def wait_for_steps(run: Path, steps: int) -> None:
    """Wait until a checkpoint says that so many steps are done."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        names = [path.name for path in run.glob("models/*/seed-0/checkpoint-*.pt")]
        if any(int(name.split("-")[1]) >= steps for name in names):
            return
        time.sleep(0.005)
    raise AssertionError("no checkpoint came")


def assert_same(run: Path, reference: Path) -> None:
    """Hold that parameters, predictions and all figures but times are equal to the last bit."""
    states = [torch.load(seed_folder(each) / "final.pt", weights_only=True) for each in (run, reference)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert (seed_folder(run) / "predictions.csv").read_bytes() == (
        seed_folder(reference) / "predictions.csv"
    ).read_bytes()
    for one, other in zip(rows(run / "metrics.csv"), rows(reference / "metrics.csv"), strict=True):
        assert {k: v for k, v in one.items() if k not in TIMES} == {k: v for k, v in other.items() if k not in TIMES}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_killed_ten_times_at_random_it_ends_as_if_it_never_was(tmp_path, reference):
    expected, asked = reference
    chance = random.Random(0)
    run = tmp_path / "run"
    process = begun(asked, run)
    for kill in range(10):
        # Somewhere in the next steps, or in the writing of a checkpoint.
        wait_for_steps(run, 5 * kill + chance.randrange(1, 5))
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        process.wait()
        if kill < 9:
            process = subprocess.Popen(
                command("--resume", run, "--threads", 1, "--only-train", "--checkpoint-every", 0),
                stderr=subprocess.DEVNULL,
            )
    ended = gone_on(run)
    assert ended.returncode == 0, ended.stderr
    assert_same(run, expected)
    assert not list(run.rglob(".*")), "no unfinished file is left"


def test_terminated_it_finishes_the_step_says_how_to_go_on_and_does(tmp_path, reference):
    expected, asked = reference
    run = tmp_path / "run"
    process = begun(asked, run, checkpoint_s=0)
    wait_for_steps(run, 10)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert f"archbench train --resume {run}" in said
    assert "Traceback" not in said
    assert [row["status"] for row in rows(run / "accuracy.csv")] == ["interrupted"]
    assert gone_on(run).returncode == 0
    assert_same(run, expected)


def test_where_a_checkpoint_cannot_be_written_the_last_good_one_survives(tmp_path, reference):
    expected, asked = reference
    run = tmp_path / "run"
    process = begun(asked, run)
    wait_for_steps(run, 10)
    process.kill()
    process.communicate()
    good = sorted(seed_folder(run).glob("checkpoint-*.pt"))
    # 8 KiB a file is less than any checkpoint, as if the disk were full.
    going_on = " ".join(map(str, command("--resume", run, "--threads", 1, "--only-train", "--checkpoint-every", 0)))
    stopped = subprocess.run(["bash", "-c", f"ulimit -f 8; {going_on}"], capture_output=True, text=True, timeout=120)
    assert stopped.returncode == 2
    assert stopped.stderr.splitlines()[-1].startswith("archbench: cannot write")
    assert sorted(seed_folder(run).glob("checkpoint-*.pt")) == good
    assert gone_on(run).returncode == 0
    assert_same(run, expected)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "both flipped"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_goes_on_or_the_start(tmp_path, reference, damage):
    expected, asked = reference
    run = tmp_path / "run"
    process = begun(asked, run)
    wait_for_steps(run, 12)
    process.kill()
    process.communicate()
    found = sorted(seed_folder(run).glob("checkpoint-*.pt"))
    damaged = found if damage == "both flipped" else found[-1:]
    for path in damaged:
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 16
        path.write_bytes(data[: len(data) // 3] if damage == "truncated" else data)
    ended = gone_on(run)
    assert ended.returncode == 0, ended.stderr
    assert all(f"{path.name} was damaged" in ended.stderr for path in damaged)
    assert_same(run, expected)


def test_another_model_under_the_same_name_is_refused(tmp_path, reference):
    _, asked = reference
    (tmp_path / "net.py").write_text(MODEL)
    own = [f"{tmp_path / 'net.py'}:net", *asked[1:]]
    run = tmp_path / "run"
    process = begun(own, run)
    wait_for_steps(run, 2)
    process.kill()
    process.communicate()
    (tmp_path / "net.py").write_text(MODEL.replace("32", "48"))
    refused = gone_on(run)
    assert refused.returncode == 2
    assert "the shape of 1.weight was [32, 64], now [48, 64]" in refused.stderr


def test_a_loss_that_is_not_finite_is_a_result_and_the_others_go_on(tmp_path):
    (tmp_path / "net.py").write_text(
        MODEL
        + """

class Explodes(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.net, self.steps = net(num_classes), 0

    def forward(self, x):
        self.steps += self.training
        return self.net(x) * (float("nan") if self.steps > 30 else 1)
"""
    )
    run = tmp_path / "run"
    ended = subprocess.run(
        command(
            f"{tmp_path / 'net.py'}:Explodes", f"{tmp_path / 'net.py'}:net", "--steps", 40, "--seeds", 1, "--out", run
        ),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 3
    assert [row["status"] for row in rows(run / "accuracy.csv")] == ["diverged", "ok"]
    outcome = json.loads(next((run / "models").glob("*Explodes/seed-0/outcome.json")).read_text())
    assert outcome["reason"].startswith("the loss was not finite at step")
    assert "diverged with seed 0" in ended.stdout
