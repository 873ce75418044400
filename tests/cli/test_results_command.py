from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys

import pytest

from archbench.store.database import Store, default_path
from archbench.store.records import Configuration, Result

CONTRACT = (
    "run_id started_at model device mode batch dtype layout compiled status images_per_s images_per_s_low "
    "images_per_s_high latency_s_median latency_s_p90 latency_s_p99 flop_per_s utilisation peak_allocated_bytes "
    "peak_reserved_bytes compile_s energy_j_per_image predicted_images_per_s"
).split()


@pytest.fixture(autouse=True)
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")


def result(
    run_id, day, status="ok", *, kind="cuda", device="NVIDIA H200", mode="eval", batch=256, dtype="bf16", **more
):
    model = more.pop("model", "vgg16")
    what = Configuration(model, "3x224x224", kind, device, mode, batch, dtype, "nhwc", True, False, 16)
    return Result(run_id, f"2026-11-{day:02}T12:00:00+00:00", "here", what, status, **more)


RESULTS = (
    result("a1", 1, images_per_s=14000.0, images_per_s_low=13950.0, images_per_s_high=14050.0, utilisation=0.71),
    result("b2", 2, "implausible", images_per_s=987654.0, flop_per_s=3.1e16, reason="above the device's peak"),
    result("c3", 3, "oom", batch=65536, reason="needs 900 GiB, 130 GiB are free"),
    result("d4", 4, images_per_s=62.5, model="alexnet", kind="cpu", device="Some CPU", dtype="fp32", mode="train"),
    result("e5", 5, images_per_s=99.0, batch=1, flags=("throttled: power",), environment={"driver": "570", "x": [1]}),
)


@pytest.fixture
def filled():
    """Fill the store in the user's data directory and return its path."""
    with Store(default_path()) as store:
        for kept in RESULTS:
            store.add(kept)
    return default_path()


def ids(text):
    return [row["run_id"] for row in csv.DictReader(io.StringIO(text))]


def test_results_has_the_contracts_columns_and_raw_values_newest_first(archbench, filled):
    code, out, err = archbench("results", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert list(rows[0]) == CONTRACT
    assert ids(out) == ["e5", "d4", "c3", "b2", "a1"]
    assert rows[3]["images_per_s"] == "987654.0"
    assert rows[2]["images_per_s"] == ""
    assert err == "vgg16, eval, batch 256, bf16, nhwc: implausible; above the device's peak\n"


def test_results_as_json_are_objects_with_the_contracts_fields(archbench, filled):
    rows = json.loads(archbench("results", "--format", "json")[1])
    assert all(list(row) == CONTRACT for row in rows)
    assert (rows[4]["batch"], rows[4]["images_per_s"], rows[4]["compiled"]) == (256, 14000.0, True)
    assert rows[4]["latency_s_p99"] is None


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_people_see_no_implausible_rate_and_read_why(archbench, filled, format):
    code, out, err = archbench("results", "--format", format)
    assert code == 0
    assert "14,000" in out
    assert "987" not in out
    assert "31.0" not in out
    assert "flagged" in next(line for line in out.splitlines() if "implausible" in line)
    assert "vgg16, eval, batch 65536, bf16, nhwc: oom; needs 900 GiB, 130 GiB are free" in out
    assert "vgg16, eval, batch 1, bf16, nhwc: throttled: power" in out
    assert "implausible; above the device's peak" in err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--model alexnet", ["d4"]),
        ("--status oom", ["c3"]),
        ("--mode train", ["d4"]),
        ("--device cuda --limit 2", ["e5", "c3"]),
        ("--device cpu", ["d4"]),
        ("--dtype fp32", ["d4"]),
        ("--batch 1", ["e5"]),
        ("--model vgg16 --status ok --batch 256", ["a1"]),
        ("--model lenet", []),
    ],
)
def test_results_are_filtered(archbench, filled, options, expected):
    code, out, _ = archbench("results", *options.split(), "--format", "csv")
    assert (code, ids(out)) == (0, expected)


def test_a_device_can_be_named_by_its_own_name(archbench, filled):
    assert ids(archbench("results", "--device", "Some CPU", "--format", "csv")[1]) == ["d4"]


def test_raw_adds_everything_that_is_known(archbench, filled):
    newest = json.loads(archbench("results", "--raw", "--format", "json")[1])[0]
    assert list(newest)[: len(CONTRACT)] == CONTRACT
    assert newest["environment"] == {"driver": "570", "x": [1]}
    assert (newest["flags"], newest["reason"], newest["samples_s"]) == (["throttled: power"], "", [])
    assert (newest["input_shape"], newest["threads"], newest["machine"]) == ("3x224x224", 16, "here")


def test_raw_samples_that_are_not_finite_are_null_in_json(archbench):
    with Store(default_path()) as store:
        store.add(result("a", 1, "implausible", samples_s=(1.0, float("nan"), float("inf"))))
    assert json.loads(archbench("results", "--raw", "--format", "json")[1])[0]["samples_s"] == [1.0, None, None]


def test_raw_is_for_json(archbench, filled):
    code, out, err = archbench("results", "--raw")
    assert (code, out) == (2, "")
    assert "goes with --format json" in err


def test_no_store_yet_is_an_empty_table_and_a_word_on_how_to_fill_it(archbench, tmp_path):
    code, out, err = archbench("results", "--format", "csv")
    assert (code, out) == (0, ",".join(CONTRACT) + "\n")
    assert err == f"there is no store '{default_path()}' yet; 'archbench bench' fills it\n"
    assert archbench("results")[1].startswith("0 results\n")
    assert json.loads(archbench("results", "--format", "json")[1]) == []
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_status_is_one_line_with_the_nearest(archbench):
    code, out, err = archbench("results", "--status", "implausable")
    assert (code, out) == (2, "")
    assert err.startswith("archbench: there is no status 'implausable'; ")
    assert err.endswith("; did you mean 'implausible'?\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--dtype bf61", "did you mean 'bf16'?"),
        ("--batch 0", "'0' is no batch size"),
        ("--limit 0", "'0' is no number of results"),
        ("--mode evil", "'evil'"),
    ],
)
def test_wrong_values_are_one_line(archbench, options, said):
    code, out, err = archbench("results", *options.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_another_store_is_imported_once(archbench, filled, tmp_path):
    other = tmp_path / "other.sqlite"
    with Store(other) as store:
        store.add(RESULTS[0])
        store.add(result("f6", 6))
    code, out, err = archbench("results", "--import", str(other), "--format", "csv", "--limit", "2")
    assert (code, ids(out)) == (0, ["f6", "e5"])
    assert err.startswith(f"imported 1 new result from {other}\n")
    assert archbench("results", "--import", str(other), "--limit", "2")[2] == f"imported 0 new results from {other}\n"


def test_an_import_may_be_the_first_that_a_store_gets(archbench, filled, tmp_path):
    code, out, _ = archbench(
        "results", "--store", str(tmp_path / "new" / "a.sqlite"), "--import", str(filled), "--format", "csv"
    )
    assert (code, len(ids(out))) == (0, len(RESULTS))


@pytest.mark.parametrize("option", ["--store", "--import"])
def test_a_file_that_is_no_store_is_one_line(archbench, tmp_path, option):
    path = tmp_path / "results.csv"
    path.write_text("run_id,model\n" * 1000)
    code, out, err = archbench("results", option, str(path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(path) in err
    assert path.read_text() == "run_id,model\n" * 1000


@pytest.mark.slow
def test_results_imports_neither_torch_nor_pandas(filled, tmp_path):
    for name in ("torch", "pandas"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    process = subprocess.run(
        [sys.executable, "-m", "archbench", "results", "--status", "ok", "--format", "csv"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert ids(process.stdout) == ["e5", "d4", "a1"]
