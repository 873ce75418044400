"""The committed tables are what the code computes today."""

from __future__ import annotations

import csv
from pathlib import Path

from results import make_training_times, make_zoo_tables
from tests.helpers import golden_figures as golden

RESULTS = Path(__file__).parents[2] / "results"


def rows(name):
    with (RESULTS / name).open() as file:
        return list(csv.DictReader(file))


def test_the_comparison_holds_the_golden_totals():
    found = {row["model"]: row for row in rows("zoo_compare.csv")}
    assert len(found) == 30
    for model, totals in golden.totals().items():
        for field in ("weight_layers", "params", "macs", "neurons"):
            assert int(found[model][field]) == totals[field]


def test_the_tables_are_what_the_command_writes_today(tmp_path, monkeypatch):
    monkeypatch.setattr(make_zoo_tables, "FOLDER", tmp_path)
    make_zoo_tables.main()
    for name in ("zoo_summary.csv", "zoo_compare.csv"):
        assert (tmp_path / name).read_text() == (RESULTS / name).read_text()


def test_the_page_on_training_times_is_what_the_script_writes_today(tmp_path, monkeypatch):
    committed = make_training_times.TARGET.read_text()
    monkeypatch.setattr(make_training_times, "TARGET", tmp_path / "page.md")
    make_training_times.main()
    assert (tmp_path / "page.md").read_text() == committed


def test_the_papers_machines_were_used_as_far_as_is_credible():
    runs = [make_training_times.training_row(run) for run in make_training_times.published()]
    # AlexNet: 90 * 1.2 M images in six days are 208 a second; forward and backward of 724 M MACs are about 4 GFLOPs.
    assert runs[0]["images_per_s"] == 90 * 1.2e6 / (6 * 86_400)
    assert all(0.1 < run["utilisation"] < 1 for run in runs)
    assert all(run["roofline_days"] < float(run["published"].split()[0]) for run in runs)
