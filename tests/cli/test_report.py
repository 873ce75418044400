from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from archbench.store.database import Store
from archbench.store.records import Configuration, Result
from tests.helpers.chart_specs import run_record


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_the_page_is_written_and_named(archbench):
    assert archbench("report", "lenet") == (0, "", "wrote report.html\n")
    page = Path("report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count('id="data"') == 1


def test_a_model_named_twice_is_there_once(archbench):
    archbench("report", "lenet", "lenet", "--output", "a.html")
    assert Path("a.html").read_text(encoding="utf-8").count('class="model"') == 1


@pytest.fixture
def measured():
    """A store with six results, the newest with the largest batch; the last on larger images."""
    with Store(Path("results.sqlite")) as store:
        for number in range(1, 7):
            shape = "1x33x33" if number == 6 else "1x32x32"
            configuration = Configuration(
                "lenet", shape, "cpu", "A CPU", "eval", number, "fp32", "nchw", False, False, 2
            )
            started_at = f"2026-01-0{number}T00:00:00+00:00"
            store.add(Result(f"r{number}", started_at, "here", configuration, "ok", images_per_s=1.0))


def batches_on(page):
    """Return the batches of the measurements of a page."""
    text = Path(page).read_text(encoding="utf-8")
    table = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["tables"]["measured"]
    place = [column["field"] for column in table["columns"]].index("batch")
    return [row[place] for row in table["rows"]]


def test_only_what_was_measured_on_the_same_input_is_shown(archbench, measured):
    assert archbench("report", "lenet", "--store", "results.sqlite")[0] == 0
    assert batches_on("report.html") == [5, 4, 3, 2, 1]
    assert archbench("report", "lenet", "--store", "results.sqlite", "--input", "1x33x33")[0] == 0
    assert batches_on("report.html") == [6]


def test_of_many_results_the_newest_are_shown_and_all_are_counted(archbench, measured, monkeypatch):
    monkeypatch.setattr("archbench.api.report.MOST_RESULTS", 2)
    code, _, err = archbench("report", "lenet", "--store", "results.sqlite")
    assert (code, err) == (0, "the newest 2 of 5 results are shown\nwrote report.html\n")
    assert batches_on("report.html") == [5, 4]
    assert "the newest 2 of 5" in Path("report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenett"], "did you mean 'lenet'?"),
        (["lenet", "--output", "a.htm"], "--output a.htm does not end in .html; try a.html"),
        (["lenet", "--output", "a"], "try a.html"),
        (["lenet", "--output", ""], "--output . does not end in .html; try report.html"),
        (["lenet", "--output", ".."], "try ../report.html"),
        (["lenet", "--output", "/"], "try /report.html"),
        (["lenet", "--output", "missing/a.html"], "cannot write 'missing/a.html'"),
        (["lenet", "--store", "none.sqlite"], "there is no store 'none.sqlite'"),
        (["lenet", "--device", "h2000"], "did you mean 'h200'?"),
        (["lenet", "--run", "."], "'.' holds no training run"),
        (["lenet", "--input", "1x2"], "lenet"),
        ([], "MODEL"),
    ],
)
def test_bad_use_is_one_line_and_writes_nothing(archbench, arguments, message):
    code, out, err = archbench("report", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(Path().glob("*.html")) == []


def test_a_store_of_a_newer_version_is_told(archbench):
    with Store(Path("results.sqlite")):
        pass
    connection = sqlite3.connect("results.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    code, _, err = archbench("report", "lenet", "--store", "results.sqlite")
    assert code == 2
    assert "has version 99, newer than this archbench supports" in err
    assert list(Path().glob("*.html")) == []


def test_a_run_that_has_no_figures_yet_is_told(archbench):
    Path("run.json").write_text(json.dumps(run_record([], [])))
    code, _, err = archbench("report", "lenet", "--run", ".")
    assert code == 2
    assert "no training of the run '.' has ended yet" in err
