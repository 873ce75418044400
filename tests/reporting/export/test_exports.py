from __future__ import annotations

import csv
import io
import json

import pytest

from archbench.reporting.export.csv import to_csv
from archbench.reporting.export.html import to_html
from archbench.reporting.export.json import to_json
from archbench.reporting.export.markdown import to_markdown
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.summary import summary_table


@pytest.fixture
def table(zoo_summary):
    return summary_table(zoo_summary("alexnet", batch=2).table, model="alexnet", batch=2, mode="eval")


def test_csv_has_every_column_raw(table):
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    conv2 = next(row for row in rows if row["name"] == "conv2")
    assert list(conv2) == [column.field for column in table.columns]
    assert conv2["output_shape"] == "256x27x27"
    assert (conv2["kernel"], conv2["stride"], conv2["padding"], conv2["groups"]) == ("5x5", "1", "2", "2")
    assert conv2["macs"] == str(2 * 223_948_800)
    relu = next(row for row in rows if row["name"] == "relu6")
    assert (relu["kernel"], relu["groups"], relu["output_shape"]) == ("", "", "4096")
    assert sum(int(row["params"]) for row in rows) == 60_965_224


def test_json_has_lists_and_the_batch(table):
    rows = json.loads(to_json(table))
    conv2 = next(row for row in rows if row["name"] == "conv2")
    assert conv2["output_shape"] == [2, 256, 27, 27]
    assert conv2["kernel"] == [5, 5]
    assert next(row for row in rows if row["name"] == "relu6")["kernel"] is None


def test_markdown_is_a_table_with_as_many_cells_in_each_line(table):
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(table.rows) + 1
    assert len({line.count("|") for line in lines}) == 1
    assert "**60,965,224**" in lines[-1]


def test_markdown_and_html_escape_what_would_break_them():
    table = Table(columns=(Column("name", "Layer", "text", 0),), rows=[{"name": "a|b<c>"}])
    assert "a\\|b" in to_markdown(table)
    assert "a|b&lt;c&gt;" in to_html(table)
