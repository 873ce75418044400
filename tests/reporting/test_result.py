from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from archbench.errors import OutputError, UsageError
from archbench.reporting.result import TableResult
from archbench.reporting.table import Column, Table


@dataclass(frozen=True, repr=False)
class Sizes(TableResult):
    rows: tuple[dict[str, object], ...]

    def to_table(self) -> Table:
        columns = (Column("name", "Name", "text", 0), Column("size_bytes", "Size", "bytes", 1), Column("note", "Note"))
        return Table(columns=columns, rows=self.rows, title="sizes", notes=("A note.",), caveats=("b: estimated",))


TWO = Sizes(({"name": "a", "size_bytes": 2048}, {"name": "b", "size_bytes": 3 * 2**20, "note": "x"}))


def test_str_is_the_table_with_its_notes_and_caveats():
    assert str(TWO).splitlines() == [
        "sizes",
        "Name       Size",
        "a     2.000 KiB",
        "b     3.000 MiB",
        "A note.",
        "b: estimated",
    ]


def test_without_notes_the_table_is_bare(tmp_path):
    assert TWO.render("table", notes=False).splitlines()[-1].startswith("b ")
    assert "note" not in TWO.render("markdown", notes=False)
    TWO.save(tmp_path / "sizes.txt", notes=False)
    assert "A note." not in (tmp_path / "sizes.txt").read_text()


def test_repr_is_one_line():
    assert repr(TWO) == "<Sizes: 2 rows>"
    assert repr(Sizes(TWO.rows[:1])) == "<Sizes: 1 row>"


def test_a_frame_and_a_dict_have_every_column_in_raw_values():
    assert TWO.to_frame().size_bytes.tolist() == [2048, 3145728]
    assert list(TWO.to_frame().columns) == ["name", "size_bytes", "note"]
    assert Sizes(()).to_frame().columns.tolist() == ["name", "size_bytes", "note"]
    assert TWO.to_dict() == [
        {"name": "a", "size_bytes": 2048, "note": None},
        {"name": "b", "size_bytes": 3145728, "note": "x"},
    ]


def test_a_notebook_shows_html_or_markdown():
    assert "<td" in TWO._repr_html_()
    assert "| a | 2.000 KiB |" in TWO._repr_markdown_()


def test_save_writes_the_format_that_the_ending_names(tmp_path):
    TWO.save(tmp_path / "sizes.csv")
    assert (tmp_path / "sizes.csv").read_text() == "name,size_bytes,note\na,2048,\nb,3145728,x\n"
    TWO.save(str(tmp_path / "sizes.json"))
    assert json.loads((tmp_path / "sizes.json").read_text()) == TWO.to_dict()
    TWO.save(tmp_path / "sizes.data", format="markdown")
    assert (tmp_path / "sizes.data").read_text().startswith("**sizes**")


def test_save_refuses_an_unknown_ending_a_wrong_format_and_a_missing_folder(tmp_path):
    with pytest.raises(UsageError, match=r"has none of the endings .*; did you mean '\.csv'\?"):
        TWO.save(tmp_path / "sizes.cvs")
    with pytest.raises(UsageError, match="format='latex' is not one of table, csv, json, markdown"):
        TWO.save(tmp_path / "sizes.csv", format="latex")
    with pytest.raises(OutputError):
        TWO.save(tmp_path / "missing" / "sizes.csv")
    assert not list(tmp_path.iterdir())
