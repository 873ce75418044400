from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from archbench.store.accuracy import Accuracy
from archbench.store.database import Store
from archbench.store.file import default_path
from archbench.store.records import Configuration, Result
from archbench.store.trainings import TrainingResult

CONTRACT = (
    "run_id started_at model device mode batch dtype layout compiled status images_per_s images_per_s_low "
    "images_per_s_high latency_s_median latency_s_p90 latency_s_p99 flop_per_s utilisation peak_allocated_bytes "
    "peak_reserved_bytes compile_s energy_j_per_image predicted_images_per_s"
).split()
COLUMNS = [*CONTRACT, "first_step_s"]


@pytest.fixture(autouse=True)
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")


TRAINED = TrainingResult(
    run_id="t1",
    started_at="2026-11-01T12:00:00+00:00",
    machine="here",
    folder="/runs/a",
    recipe="equal",
    accuracy=Accuracy(
        model="lenet",
        data="digits",
        input_shape="1x32x32",
        epochs=10.0,
        seeds=1,
        top1_mean=0.9,
        top1_std=None,
        top1_low=None,
        top1_high=None,
        top5_mean=None,
        images_per_s=None,
        time_s=None,
        status="ok",
        params=None,
        macs=None,
        chance_top1=None,
        chance_top5=None,
        peak_bytes=None,
    ),
)


def trained(model):
    return replace(TRAINED, accuracy=replace(TRAINED.accuracy, model=model))


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
    assert list(rows[0]) == COLUMNS
    assert ids(out) == ["e5", "d4", "c3", "b2", "a1"]
    assert rows[3]["images_per_s"] == "987654.0"
    assert rows[2]["images_per_s"] == ""
    assert err == "vgg16, eval, batch 256, bf16, nhwc, compiled: implausible; above the device's peak\n"


def test_results_as_json_are_objects_with_the_contracts_fields(archbench, filled):
    rows = json.loads(archbench("results", "--format", "json")[1])
    assert all(list(row) == COLUMNS for row in rows)
    assert (rows[4]["batch"], rows[4]["images_per_s"], rows[4]["compiled"]) == (256, 14000.0, True)
    assert rows[4]["latency_s_p99"] is None


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_tables_hide_implausible_rates_and_say_why(archbench, filled, format):
    code, out, err = archbench("results", "--format", format)
    assert code == 0
    assert "14,000" in out
    assert "987" not in out
    assert "31.0" not in out
    assert "flagged" in next(line for line in out.splitlines() if "implausible" in line)
    assert "vgg16, eval, batch 65536, bf16, nhwc, compiled: needs 900 GiB, 130 GiB are free" in out
    assert "vgg16, eval, batch 1, bf16, nhwc, compiled: throttled: power" in out
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


def test_results_are_filtered_by_the_name_of_a_device(archbench, filled):
    assert ids(archbench("results", "--device", "Some CPU", "--format", "csv")[1]) == ["d4"]


def test_a_users_file_is_found_wherever_it_is_named_from(archbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept_as = f"{tmp_path / 'net.py'}:Net?width=2"
    with Store(default_path()) as store:
        store.add(result("a1", 1, model=kept_as))
        store.add(result("b2", 2, model="/elsewhere/net.py:Net?width=2"))
        # As it is kept, as it once was kept, and another's.
        names = (kept_as, "net.py:Net?width=2", "/elsewhere/net.py:Net?width=2")
        store.add_trainings([trained(name) for name in names])
    assert ids(archbench("results", "--model", "net.py:Net?width=2", "--format", "csv")[1]) == ["a1"]
    out = archbench("results", "trainings", "--model", "net.py:Net?width=2", "--format", "json")[1]
    assert {row["model"] for row in json.loads(out)} == set(names[:2])


def test_a_training_of_a_file_whose_name_is_no_utf8_is_found(archbench, tmp_path):
    name = os.fsdecode(b"/net\xe9.py:Net")
    with Store(default_path()) as store:
        store.add_trainings([trained(name)])
    assert len(json.loads(archbench("results", "trainings", "--model", name, "--format", "json")[1])) == 1


def test_raw_adds_all_fields(archbench, filled):
    newest = json.loads(archbench("results", "--raw", "--format", "json")[1])[0]
    assert list(newest)[: len(COLUMNS)] == COLUMNS
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


def test_without_a_store_results_is_an_empty_table_with_a_note(archbench, tmp_path):
    code, out, err = archbench("results", "--format", "csv")
    assert (code, out) == (0, ",".join(COLUMNS) + "\n")
    assert err == f"there is no store '{default_path()}' yet; 'archbench bench' fills it\n"
    assert archbench("results")[1].startswith("0 results\n")
    assert json.loads(archbench("results", "--format", "json")[1]) == []
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_status_is_one_line_with_the_nearest(archbench):
    code, out, err = archbench("results", "--status", "implausable")
    assert (code, out) == (2, "")
    assert err.startswith("archbench: --status implausable is not one of ok, ")
    assert err.endswith("; did you mean 'implausible'?\n")
    assert err.count("\n") == 1


def test_a_status_unlike_any_other_is_one_line_with_all_choices(archbench):
    err = archbench("results", "--status", "good")[2]
    assert err == "archbench: --status good is not one of ok, not_converged, implausible, oom, failed\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--dtype bf61", "did you mean 'bf16'?"),
        ("--batch 0", "'0' is not a valid batch size"),
        ("--limit 0", "'0' is not a number of results"),
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
        store.add_trainings([TRAINED, trained("vgg16")])
    code, out, err = archbench("results", "--import", str(other), "--format", "csv", "--limit", "2")
    assert (code, ids(out)) == (0, ["f6", "e5"])
    assert err.startswith(f"imported 1 new result and 2 new trainings from {other}\n")
    again = archbench("results", "--import", str(other), "--limit", "2")[2]
    assert again == f"imported 0 new results and 0 new trainings from {other}\n"


def test_an_import_may_create_the_store(archbench, filled, tmp_path):
    code, out, _ = archbench(
        "results", "--store", str(tmp_path / "new" / "a.sqlite"), "--import", str(filled), "--format", "csv"
    )
    assert (code, len(ids(out))) == (0, len(RESULTS))


def test_an_import_of_a_missing_store_creates_nothing(archbench, tmp_path):
    missing = tmp_path / "missing.sqlite"
    code, out, err = archbench("results", "--import", str(missing))
    assert (code, out, err) == (2, "", f"archbench: there is no store '{missing}'\n")
    assert not default_path().exists()


@pytest.mark.parametrize("option", ["--store", "--import"])
def test_a_file_that_is_not_a_store_is_an_error_of_one_line(archbench, tmp_path, option):
    path = tmp_path / "results.csv"
    path.write_text("run_id,model\n" * 1000)
    code, out, err = archbench("results", option, str(path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(path) in err
    assert path.read_text() == "run_id,model\n" * 1000


def test_a_replay_has_a_column_of_its_own_where_there_is_one(archbench, filled):
    assert "Graph" not in archbench("results")[1]
    with Store(default_path()) as store:
        store.add(replace(result("f6", 6), configuration=replace(RESULTS[0].configuration, graphs=True)))
    out = archbench("results", "--format", "csv")[1]
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == [*COLUMNS, "graphs"]
    assert [row["graphs"] for row in rows] == ["True", *["False"] * len(RESULTS)]


def test_phases_are_below_the_table_and_in_the_raw_document(archbench):
    phases = {"zero_grad": 0.001, "forward": 0.03, "loss": 0.001, "backward": 0.06, "step": 0.008}
    with Store(default_path()) as store:
        store.add(result("a", 1, mode="train", phases_s=phases))
    said = " ".join(archbench("results")[1].split())
    # Of 100 ms.
    assert "each phase waited for: zero_grad 1.00 ms (1.0%), forward 30.0 ms (30.0%), loss" in said
    assert json.loads(archbench("results", "--raw", "--format", "json")[1])[0]["phases_s"] == phases


# compare


@pytest.fixture
def two_runs():
    """Fill the store with two runs of which the first is faster by a quarter, and one that failed."""
    environment = {"torch": "2.15.0", "date": "2026-11-01"}
    fast = result("aaaa1111", 1, samples_s=(0.100, 0.101, 0.102) * 10, environment=environment)
    slow = result("bbbb2222", 2, samples_s=(0.125, 0.126, 0.127) * 10, environment={**environment, "torch": "2.11.0"})
    with Store(default_path()) as store:
        for one in (fast, slow, result("bbcc3333", 3, "failed", reason="no kernel")):
            store.add(one)


def test_two_runs_are_compared_by_the_beginnings_of_their_ids(archbench, two_runs):
    code, out, err = archbench("results", "compare", "a", "bbbb")
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    # 0.126 / 0.101 = 1.2475
    assert "aaaa1111 bbbb2222 faster 1.25" in said
    assert "A is faster: 1.25× (95% interval of the ratio" in said
    assert "They differ in torch (2.15.0 against 2.11.0)." in said
    assert "less sure than 'archbench bench A --versus B'" in said
    backwards = " ".join(archbench("results", "compare", "bbbb", "a")[1].split())
    assert "A is slower: 0.80×" in backwards


def test_a_comparison_of_runs_as_json_and_csv(archbench, two_runs):
    (row,) = json.loads(archbench("results", "compare", "a", "bbbb", "--format", "json")[1])
    assert (row["a"], row["b"], row["verdict"]) == ("aaaa1111", "bbbb2222", "faster")
    assert row["ratio"] == pytest.approx(0.126 / 0.101)
    assert row["low"] <= row["ratio"] <= row["high"]
    assert row["differences"] == [{"field": "torch", "a": "2.15.0", "b": "2.11.0"}]
    (row,) = csv.DictReader(io.StringIO(archbench("results", "compare", "a", "bbbb", "--format", "csv")[1]))
    assert row["differences"] == "torch: 2.15.0, 2.11.0"


def test_tables_hide_the_comparison_with_an_implausible_run(archbench, two_runs):
    with Store(default_path()) as store:
        store.add(result("dddd4444", 4, "implausible", images_per_s=2e6, samples_s=(1e-4,) * 30, reason="too fast"))
    code, out, err = archbench("results", "compare", "dddd", "a")
    assert (code, "too fast" in err) == (0, True)
    said = " ".join(out.split())
    # Neither verdict nor ratio, and A's rate is flagged too.
    assert "dddd4444 aaaa1111 flagged flagged" in said
    assert "A flagged rate is not to be believed, nor what follows from it" in said
    assert "×" not in said
    (row,) = csv.DictReader(io.StringIO(archbench("results", "compare", "dddd", "a", "--format", "csv")[1]))
    assert (row["verdict"], float(row["images_per_s_a"])) == ("faster", 2e6)
    assert float(row["ratio"]) == pytest.approx(0.101 / 1e-4)


def test_a_run_against_itself_shows_no_difference(archbench, two_runs):
    said = " ".join(archbench("results", "compare", "a", "a")[1].split())
    assert "No difference above the noise" in said
    assert "Nothing else that is known differs." in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "a", "bb"], "2 runs begin with 'bb', such as bbbb2222, bbcc3333; give more characters"),
        (["compare", "a", "bbbb2223"], "there is no run 'bbbb2223'; did you mean 'bbbb2222'?"),
        (["compare", "a", "bbcc"], "run bbcc3333 is failed and has no samples to compare: no kernel"),
        (["--model", "vgg16", "compare", "a", "bbbb"], "--model before 'compare' belongs to the list"),
        (["compare", "a"], "RUN2"),
        (["compar", "a", "b"], "Did you mean 'compare'?"),
    ],
)
def test_a_comparison_of_unknown_runs_is_an_error_of_one_line(archbench, two_runs, arguments, said):
    code, out, err = archbench("results", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_without_a_store_there_is_nothing_to_compare(archbench):
    code, out, err = archbench("results", "compare", "a", "b")
    assert (code, out) == (2, "")
    assert "there is no store" in err


@pytest.mark.slow
def test_results_imports_neither_torch_nor_pandas(filled, tmp_path):
    for name in ("torch", "pandas"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    process = subprocess.run(
        [sys.executable, "-m", "archbench", "results", "--model", "vgg16", "--status", "ok", "--format", "csv"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert ids(process.stdout) == ["e5", "a1"]
