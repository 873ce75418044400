"""The committed tables are what the code computes today."""

from __future__ import annotations

import csv
from pathlib import Path

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


def test_the_layers_are_those_that_are_computed_today(zoo_summary):
    committed = rows("zoo_summary.csv")
    for model in {row["model"] for row in committed}:
        ours = [(row.name, str(row.params), str(row.macs), str(row.flops)) for row in zoo_summary(model).rows]
        theirs = [(r["name"], r["params"], r["macs"], r["flops"]) for r in committed if r["model"] == model]
        assert ours == theirs
