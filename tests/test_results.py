"""The committed tables are what the code computes today."""

from __future__ import annotations

import csv
from pathlib import Path

from results import make_zoo_tables
from tests import golden_figures as golden

RESULTS = Path(__file__).parent.parent / "results"


def rows(name):
    with (RESULTS / name).open() as file:
        return list(csv.DictReader(file))


def test_the_comparison_holds_the_golden_totals():
    found = {row["model"]: row for row in rows("zoo_compare.csv")}
    assert len(found) == 18
    for model, totals in golden.totals().items():
        for field in ("weight_layers", "params", "macs", "neurons"):
            assert int(found[model][field]) == totals[field]


def test_the_tables_are_what_the_command_writes_today(tmp_path, monkeypatch):
    monkeypatch.setattr(make_zoo_tables, "FOLDER", tmp_path)
    make_zoo_tables.main()
    for name in ("zoo_summary.csv", "zoo_compare.csv"):
        assert (tmp_path / name).read_text() == (RESULTS / name).read_text()
