from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from archbench.store.database import Store


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenett"], "did you mean 'lenet'?"),
        (["lenet", "--output", "a.htm"], "--output a.htm does not end in .html; try a.html"),
        (["lenet", "--output", "a"], "try a.html"),
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
    assert "is of version 99, newer than this archbench knows" in err
    assert list(Path().glob("*.html")) == []


def test_a_run_that_has_no_figures_yet_is_told(archbench):
    Path("run.json").write_text('{"asked": {}, "data": {}, "plan": {"models": [], "seeds": []}}')
    code, _, err = archbench("report", "lenet", "--run", ".")
    assert code == 2
    assert "no training of the run '.' has ended yet" in err
