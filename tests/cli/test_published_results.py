"""`results --import timm:FILE` and `results --published`, with real rows of timm's results and a real store."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from archbench.store.database import Store
from archbench.store.file import default_path
from tests.helpers.measurements import result

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RATES = EXAMPLES / "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv"
TRAINING = EXAMPLES / "benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv"
ACCURACIES = EXAMPLES / "results-imagenet.csv"
NUMBERS = {path: len(path.read_text().splitlines()) - 1 for path in (RATES, TRAINING, ACCURACIES)}


@pytest.fixture(autouse=True)
def data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_files_of_timm_are_imported_once_each(archbench):
    options = [word for path in NUMBERS for word in ("--import", f"timm:{path}")]
    for _ in range(2):
        code, out, err = archbench("results", *options, "--published", "--format", "csv")
        assert (code, len(rows(out))) == (0, sum(NUMBERS.values()))
    assert err == (
        f"imported {NUMBERS[RATES]} published rates from {RATES}\n"
        f"imported {NUMBERS[TRAINING]} published rates from {TRAINING}\n"
        f"imported {NUMBERS[ACCURACIES]} published accuracies from {ACCURACIES}\n"
    )


def test_published_rows_have_the_file_s_numbers_and_name(archbench):
    archbench("results", "--import", f"timm:{RATES}")
    out = archbench("results", "--published", "--model", "timm:vgg16", "--format", "json")[1]
    assert json.loads(out) == [
        {
            "model": "vgg16",
            "weights": None,
            "status": "published",
            "device": "rtx4090",
            "mode": "eval",
            "dtype": "amp-fp16",
            "layout": "nhwc",
            "compiled": False,
            "torch": "2.4.0",
            "img_size": 224,
            "batch": 512,
            "images_per_s": 2904.86,
            "top1": None,
            "top5": None,
            "source": RATES.name,
        }
    ]
    table = archbench("results", "--published", "--model", "vgg16")[1]
    assert "2,905" in table
    assert f"Published by timm, not measured here: {RATES.name}." in table


def test_measured_and_published_results_are_listed_apart(archbench):
    with Store(default_path()) as store:
        store.add(result("ok", run_id="r1"))
    archbench("results", "--import", f"timm:{RATES}")
    assert [row["run_id"] for row in rows(archbench("results", "--format", "csv")[1])] == ["r1"]
    assert {row["status"] for row in rows(archbench("results", "--published", "--format", "csv")[1])} == {"published"}


@pytest.mark.parametrize(
    ("options", "sources"),
    [
        (["--mode", "train"], {TRAINING.name}),
        (["--device", "rtx4090"], {RATES.name}),
        (["--device", "cuda"], {RATES.name, TRAINING.name}),
        (["--device", "cpu"], set()),
        (["--dtype", "amp-fp16", "--batch", "384"], {TRAINING.name}),
        (["--model", "torchvision:resnet50"], {RATES.name, TRAINING.name, ACCURACIES.name}),
        (["--model", "resnet50.a1_in1k"], {RATES.name, TRAINING.name, ACCURACIES.name}),
        (["--limit", "2"], {RATES.name}),
    ],
)
def test_published_rows_are_filtered(archbench, options, sources):
    archbench("results", *(word for path in NUMBERS for word in ("--import", f"timm:{path}")))
    out = archbench("results", "--published", *options, "--format", "csv")[1]
    assert {row["source"] for row in rows(out)} == sources


def test_one_bad_file_among_several_imports_nothing(archbench, tmp_path):
    bad = tmp_path / RATES.name
    bad.write_text(RATES.read_text().replace("2904.86", "fast"))
    code, out, err = archbench("results", "--import", f"timm:{ACCURACIES}", "--import", f"timm:{bad}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "infer_samples_per_sec is 'fast', expected a number above 0" in err
    assert not default_path().exists()


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.write_bytes(bytes(range(256)))])
def test_folders_empty_and_binary_files_are_errors_of_one_line(archbench, tmp_path, make):
    path = tmp_path / RATES.name
    make(path)
    code, out, err = archbench("results", "--import", f"timm:{path}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(path) in err


def test_a_name_without_conditions_is_an_error_of_one_line(archbench, tmp_path):
    shutil.copy(RATES, tmp_path / "rates.csv")
    code, out, err = archbench("results", "--import", f"timm:{tmp_path / 'rates.csv'}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "'rates.csv'" in err


def test_a_file_that_cannot_be_a_store_leaves_published_figures_as_they_were(archbench, tmp_path):
    archbench("results", "--import", f"timm:{RATES}")
    code, _, err = archbench("results", "--import", str(ACCURACIES))
    assert (code, err.count("\n")) == (2, 1)
    assert len(rows(archbench("results", "--published", "--format", "csv")[1])) == NUMBERS[RATES]


@pytest.mark.parametrize("options", [["--status", "ok"], ["--raw", "--format", "json"]])
def test_options_of_measurements_are_refused_with_published(archbench, options):
    code, out, err = archbench("results", "--published", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "leave --status and --raw out" in err


def test_without_an_import_a_note_says_how(archbench):
    code, out, err = archbench("results", "--published")
    assert (code, out) == (0, "0 published rates\n\n")
    assert "'archbench results --import timm:FILE.csv' imports timm's results" in err
    assert not default_path().exists()
