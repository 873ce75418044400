"""`archbench profile` on a CPU, in this process. No time is held to a number: only sums, names and orders."""

from __future__ import annotations

import csv
import io
import json
from math import fsum

import pytest

from archbench.measure.worker import client
from tests.helpers import in_process

NETS = """
import torch
from torch import nn

class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.block = self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.act = nn.ReLU()
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.act(self.stem(x))
        x = x + self.block(x)
        x = self.act(x + self.again(x))
        return self.head(x.mean((2, 3)).flatten(1))

class Uneven(nn.Module):
    def __init__(self):
        super().__init__()
        self.small = nn.Linear(128, 128)
        self.large = nn.Linear(128, 20 * 128)
        self.last = nn.Linear(20 * 128, 1)

    def forward(self, x):
        return self.last(self.large(self.small(x)))

class Raises(nn.Linear):
    def __init__(self):
        super().__init__(4, 2)

    def forward(self, x):
        if not x.is_meta:
            raise RuntimeError("no kernel for this")
        return super().forward(x)
"""

QUICK = ("--device", "cpu", "--max-seconds", "0.4", "--threads", "1")


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(client, "worker", in_process.worker)
    return tmp_path


def profiled(archbench, *arguments):
    code, out, err = archbench("profile", *arguments, "--format", "json", *QUICK)
    assert code == 0, err
    return json.loads(out)


def names_of(archbench, *arguments):
    _, out, _ = archbench("summary", *arguments, "--format", "json")
    return {layer["name"]: layer for layer in json.loads(out)["layers"]}


@pytest.mark.slow
def test_the_rows_are_those_of_the_summary_and_sum_to_the_step(archbench, home):
    found = profiled(archbench, "lenet", "--batch", "2")
    rows = found["layers"]
    summary = names_of(archbench, "lenet", "--batch", "2")
    assert rows[-1]["name"] == "gaps"
    assert {row["name"] for row in rows[:-1]} <= set(summary)
    for row in rows[:-1]:
        layer = summary[row["name"]]
        assert (row["index"], row["type"], row["flops"]) == (layer["index"], layer["type"], layer["flops"])
        assert "forward_s" not in row
    assert fsum(row["time_s"] for row in rows) == pytest.approx(found["step_s"], rel=1e-12)
    by_name = {row["name"]: row for row in rows}
    assert all(by_name[name]["time_s"] > 0 for name in ("conv1", "tanh1", "pool1", "fc5"))
    assert found["unprofiled_step_s"] > 0
    assert found["ceilings"] is None


@pytest.mark.slow
def test_a_training_step_of_a_shared_module_and_a_sum(archbench, home):
    model = ("nets.py:Residual", "--input", "3x16x16", "--batch", "2", "--mode", "train")
    found = profiled(archbench, *model)
    rows = {row["name"]: row for row in found["layers"]}
    assert set(rows) - {"loss", "update", "gaps"} == set(names_of(archbench, *model))
    assert (rows["block"]["calls"], rows["act"]["calls"], rows["./add"]["calls"]) == (2, 2, 2)
    for name in ("stem", "block", "act", "./add", "./mean", "head", "loss"):
        assert rows[name]["forward_s"] > 0
        assert rows[name]["backward_s"] > 0
        assert rows[name]["time_s"] == pytest.approx(rows[name]["forward_s"] + rows[name]["backward_s"])
    assert rows["update"]["time_s"] > 0
    assert fsum(row["time_s"] for row in found["layers"]) == pytest.approx(found["step_s"], rel=1e-12)


@pytest.mark.slow
def test_the_layer_that_does_most_comes_first(archbench, home):
    found = profiled(archbench, "nets.py:Uneven", "--input", "128", "--batch", "1024", "--top", "1")
    assert [row["name"] for row in found["layers"]] == ["large", "others", "gaps"]
    assert fsum(row["time_s"] for row in found["layers"]) == pytest.approx(found["step_s"], rel=1e-12)


@pytest.mark.slow
def test_known_ceilings_give_bounds_and_the_profilers_trace_is_written(archbench, home):
    from archbench.hardware.ceilings import title_here
    from archbench.hardware.device import Device
    from archbench.hardware.measured import create_data_folder, store_devices

    create_data_folder()
    peaks = {"fp32": 1e11}
    here = Device("this_cpu", title_here("cpu"), 2026, 2**30, 1e10, peaks, kind="cpu", is_measured=True, threads=1)
    store_devices([here])
    code, out, err = archbench("profile", "lenet", "--trace", "lenet.json", "--csv", "lenet.csv", *QUICK)
    assert (code, out) == (0, "")
    rows = list(csv.DictReader(io.StringIO((home / "lenet.csv").read_text())))
    assert {row["bound"] for row in rows[:-1]} <= {"compute", "memory", "launch", ""}
    conv = next(row for row in rows if row["name"] == "conv1")
    assert float(conv["ratio"]) == pytest.approx(float(conv["time_s"]) / float(conv["predicted_s"]))
    events = json.loads((home / "lenet.json").read_text())["traceEvents"]
    assert {"layer conv1", "layer .", "step 1"} <= {event["name"] for event in events}
    assert "wrote lenet.json" in err


@pytest.mark.slow
def test_the_table_notes_missing_ceilings_and_the_overhead_of_profiling(archbench, home):
    code, out, _ = archbench("profile", "lenet", *QUICK)
    assert code == 0
    assert out.startswith("lenet, eval, batch 1, fp32, nchw on ")
    assert "'archbench devices --measure'" in out
    assert "under the profiler" in out
    assert " without." in out


@pytest.mark.slow
def test_a_process_that_fails_is_an_error_and_nothing_is_written(archbench, home):
    arguments = ("nets.py:Raises", "--input", "4", "--trace", "raises.json", "--csv", "raises.csv")
    code, out, err = archbench("profile", *arguments, *QUICK)
    assert (code, out) == (3, "")
    assert "nets.py:Raises: RuntimeError: no kernel for this" in err
    assert not list(home.glob("*raises*"))
    code, _, err = archbench("profile", "nets.py:Uneven", "--input", "128", "--layout", "nhwc", *QUICK)
    assert code == 2
    assert "nhwc is a layout of images" in err


def test_a_gpu_without_recorded_kernels_is_an_error_and_nothing_is_written(archbench, home, monkeypatch):
    from archbench.api import measuring
    from archbench.measure.profile import profile as profiling

    step = {"total_ns": 1000, "rows": {}, "update_ns": 0, "outside": {"forward_ns": 0, "backward_ns": 0}}
    monkeypatch.setattr(measuring, "device_name", lambda kind: "NVIDIA H200")
    monkeypatch.setattr(profiling, "device_here", lambda kind, threads: None)
    monkeypatch.setattr(profiling, "run_request", lambda *_: {"steps": [step], "plain_s": [1e-6]})
    code, out, err = archbench("profile", "lenet", "--device", "cuda", "--csv", "rows.csv")
    assert (code, out) == (3, "")
    assert "lenet: the profiler recorded no kernel" in err
    assert not (home / "rows.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lent"], "did you mean 'lenet'?"),
        (["lenet", "--top", "0"], "--top"),
        (["lenet", "--trace", "missing/trace.json"], "there is no folder 'missing'"),
        (["lenet", "--csv", "missing/rows.csv"], "there is no folder 'missing'"),
        (["lenet", "--trace", "trace.txt"], "give a name that ends in .json"),
        (["lenet", "--device", "mps"], "sees no kernels there"),
        (["lenet", "--device", "gpu"], "'cuda'"),
        (["lenet", "--device", "cpu", "--dtype", "tf32"], "--dtype tf32 requires an NVIDIA GPU"),
        (["lenet", "--dtype", "bf61"], "did you mean 'bf16'?"),
        (["lenet", "--device", "cpu", "--input", "1x8x8"], "is the smallest that works"),
        (["nets.py:Residual", "--device", "cpu"], "has no usual input"),
        (["lenet", "--compile"], "there is no option '--compile'"),
    ],
)
def test_wrong_use_is_an_error_before_anything_is_measured(archbench, home, arguments, message):
    before = sorted(home.rglob("*"))
    code, out, err = archbench("profile", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert [path for path in sorted(home.rglob("*")) if "__pycache__" not in str(path)] == before
