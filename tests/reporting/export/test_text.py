from __future__ import annotations

import io
import json
import re

import pytest
from rich.cells import cell_len
from torch import nn

import archbench
from archbench.reporting.export.csv import to_csv
from archbench.reporting.export.encoding import ASCII_FALLBACKS, as_shown
from archbench.reporting.export.markdown import to_markdown
from archbench.reporting.export.text import to_text
from archbench.reporting.table import Column, Table
from archbench.reporting.tables.model import comparison_table
from archbench.reporting.tables.summary import summary_table


def printed(table, width, stream=None):
    return to_text(table, width=width, stream=stream).splitlines()


class Terminal(io.TextIOWrapper):
    """A terminal of an encoding."""

    def __init__(self, encoding="utf-8", is_terminal=True):
        super().__init__(io.BytesIO(), encoding=encoding, errors=ASCII_FALLBACKS)
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def alexnet(zoo_summary):
    return summary_table(zoo_summary("alexnet").table, model="alexnet", batch=1, mode="eval")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160, 200])
def test_a_table_fits_its_width_and_keeps_one_line_a_layer(alexnet, width):
    lines = printed(alexnet, width)
    assert max(map(len, lines)) <= width
    assert lines[0] == "alexnet, eval, batch 1, 8 weight layers"
    layers = [line.split()[0] for line in lines[2 : 2 + len(alexnet.rows)]]
    assert layers == [row["name"] for row in alexnet.rows]


def test_columns_go_by_priority_and_are_counted(alexnet):
    narrow, wide = printed(alexnet, 60), printed(alexnet, 160)
    assert narrow[1].split() == ["Layer", "Type", "Output", "Params", "MACs"]
    assert {"FLOPs", "Neurons", "Groups", "FLOP/B"} <= set(wide[1].split())
    # Of 16 columns for people, 11 do not fit.
    assert len(alexnet.shown()) == 16
    assert "+11 columns in CSV and JSON." in narrow[-1]
    assert "columns" not in wide[-1]


def test_totals_stand_last(alexnet):
    (total,) = [line for line in printed(alexnet, 80) if line.startswith("total")]
    assert total.split()[1:] == ["60.97M", "724.4M"]


def test_integers_have_all_digits_on_a_wide_page_and_in_files(alexnet):
    assert "223.9M" in "\n".join(printed(alexnet, 80))
    wide = "\n".join(printed(alexnet, 120))
    assert "223,948,800" in wide
    assert "60,965,224" in wide
    assert "| 223,948,800 |" in to_markdown(alexnet)


@pytest.mark.parametrize("model", ["alexnet", "vgg16", "torchvision:resnet18", "torchvision:vit_b_16"])
def test_the_type_stays_in_80_columns(model):
    lines = printed(archbench.summarize(model).to_table(), 80)
    assert lines[1].split()[:3] == ["Layer", "Type", "Output"]
    assert {"Params", "MACs"} <= set(lines[1].split())
    assert max(map(len, lines)) <= 80


def test_a_layer_without_parameters_or_macs_has_blanks_and_the_total_zeros():
    relu = archbench.summarize(nn.Sequential(nn.ReLU()), "4").to_table()
    lines = printed(relu, 80)
    assert lines[1].split()[:9] == "Layer Type Calls Input Output Params Neurons MACs FLOPs".split()
    assert lines[2].split()[:6] == ["0", "ReLU", "1", "4", "4", "4"]
    assert lines[3].split()[:5] == ["total", "0", "0", "0", "4"]
    assert to_csv(relu).splitlines()[1].split(",")[11:15] == ["0", "0", "0", "0"]


def test_trainable_parameters_are_a_column_where_some_are_frozen():
    backbone = nn.Linear(10, 20).requires_grad_(False)
    lines = printed(archbench.summarize(nn.Sequential(backbone, nn.Linear(20, 5)), "10").to_table(), 80)
    place = lines[1].index("Trainable")
    assert [line[place:].split()[0] for line in lines[3:5]] == ["105", "105"]
    assert lines[2][place : place + len("Trainable")].strip() == ""
    # 10·20 + 20 parameters of the backbone, 20·5 + 5 of the head
    assert lines[4].split()[1:3] == ["325", "105"]
    assert "Trainable" not in "\n".join(printed(archbench.summarize(nn.Linear(3, 4), "3").to_table(), 200))


def test_bars_only_on_a_wide_terminal_that_has_blocks(alexnet, monkeypatch):
    def shown(width, stream):
        return "█" in to_text(alexnet, width=width, stream=stream)

    assert shown(120, Terminal())
    assert not shown(70, Terminal())
    assert not shown(160, Terminal(is_terminal=False))
    assert not shown(160, Terminal("latin-1"))
    assert not shown(160, Terminal("ascii"))
    assert not shown(160, None)
    assert "█" not in to_markdown(alexnet) + to_csv(alexnet)
    monkeypatch.setenv("TERM", "dumb")
    assert not shown(160, Terminal())


def test_the_longest_bar_is_that_of_the_largest_value(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    rows = [{"name": "a", "macs": 800}, {"name": "b", "macs": 200}, {"name": "c", "macs": 1}, {"name": "d", "macs": 0}]
    columns = (Column("name", "Layer", "text", 0), Column("macs", "MACs", "integer", 1))
    table = Table(columns=columns, rows=rows, totals={"name": "total", "macs": 1001}, bar="macs")
    lines = printed(table, 40, Terminal())
    # 24 cells at most; 200 of 800 are a quarter of them, and what is not zero is seen.
    assert [line.split()[-1] for line in lines[2:6]] == ["█" * 24, "█" * 6, "▏", "0"]
    assert lines[0].split() == ["Layer", "MACs", "MACs", "share"]


def test_notes_share_lines_and_doubts_do_not():
    table = Table(
        columns=(Column("name", "Layer", "text", 0),), rows=[{"name": "a"}], notes=("One.", "Two."), doubts=("C.", "D.")
    )
    assert printed(table, 80)[2:] == ["One. Two.", "C.", "D."]
    assert to_text(table, width=80, has_notes=False).splitlines() == ["Layer", "a"]


def test_what_is_piped_is_plain(alexnet):
    text = "\n".join(printed(alexnet, 80))
    assert "\x1b" not in text
    assert not set("─│┃━┏") & set(text)


def test_long_names_keep_their_end():
    table = Table(
        columns=(Column("name", "Layer", "text", 0), Column("params", "Params", "integer", 1)),
        rows=[{"name": "features.denseblock4.denselayer16.norm2", "params": 1}],
    )
    # 0.45 of the width is 18 characters, the first of them for the ellipsis.
    assert printed(table, 40)[1].split() == ["…enselayer16.norm2", "1"]


def test_ratios_refer_to_the_baseline():
    from archbench.analyze.compare import ModelRow

    def row(name, params):
        return ModelRow(name, name, None, (1, 3), 1, params, None, 10, None, 20, 4, 4 * params, 9, None, 0.5, None)

    table = comparison_table([row("a", 2000), row("b", 3000)], baseline=1, batch=1, mode="eval")
    lines = printed(table, 120)
    assert lines[0] == "eval, batch 1, ratios to b"
    assert "2.000K 0.67×" in lines[2]
    assert "3.000K 1.00×" in lines[3]


def test_a_comparison_with_itself_alone_has_no_ratios():
    from archbench.analyze.compare import ModelRow

    only = ModelRow("a", "a", None, (1, 3), 1, 5, None, 10, None, 20, 4, 20, 9, None, 0.5, None)
    assert "×" not in "\n".join(printed(comparison_table([only], baseline=0, batch=1, mode="eval"), 160))


SIGNS = Table(
    columns=(Column("name", "Layer", "text", 0), Column("std", "±", "integer", 1), Column("what", "What", "text", 2)),
    rows=[
        {"name": "block … with a name that is cut", "std": 1, "what": "3×3 → 7"},
        {"name": "b", "std": 20, "what": "⌊x − 1⌋ ≤ 5 µs"},
    ],
    totals={"name": "Σ", "std": 21},
    title="1×1 – both",
    notes=("2·3² is α",),
)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "cp437", "cp850", "latin-1", "ascii"])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_every_encoding_has_the_table_straight_and_without_question_marks(encoding, is_terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal(encoding, is_terminal)
    for width in (24, 40, 80):
        lines = [as_shown(line, encoding) for line in printed(SIGNS, width, stream)]
        assert max(map(cell_len, lines)) <= width
        assert "?" not in "".join(lines)
    # The column of numbers ends at the same place in each row, whatever stands before it.
    rows = [line for line in lines if line.startswith(("block", "b ", "Σ", "sum"))]
    before = [line.partition(number) for line, number in zip(rows, ("1", "20", "21"), strict=True)]
    assert len({cell_len(name + number) for name, number, _ in before}) == 1


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "3×3 → ⌊a − b⌋ ± 5 µs …"),
        ("cp1252", "3×3 -> floor(a - b) ± 5 µs …"),
        ("cp437", "3x3 -> floor(a - b) ± 5 µs ..."),
        ("cp850", "3×3 -> floor(a - b) ± 5 µs ..."),
        ("ascii", "3x3 -> floor(a - b) +- 5 us ..."),
    ],
)
def test_signs_that_are_missing_have_stand_ins(encoding, shown):
    assert as_shown("3×3 → ⌊a − b⌋ ± 5 µs …", encoding) == shown


def test_other_characters_stay_exact_and_stay_json():
    name = "né中😀\udcff"
    assert json.loads(as_shown(json.dumps(name, ensure_ascii=False), "ascii")) == name


def test_lines_only_where_a_person_looks_and_the_encoding_has_them(alexnet, monkeypatch):
    def lines_in(stream):
        return {sign for sign in to_text(alexnet, width=80, stream=stream) if sign in "─-"}

    monkeypatch.setenv("NO_COLOR", "1")
    assert lines_in(Terminal()) == lines_in(Terminal("cp437")) == {"─"}
    assert not lines_in(Terminal(is_terminal=False))
    assert "─" not in as_shown(to_text(alexnet, width=80, stream=Terminal("cp1252")), "cp1252")
    monkeypatch.setenv("TERM", "dumb")
    assert not lines_in(Terminal())


@pytest.mark.parametrize(
    ("variables", "is_terminal", "has_styles"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),  # as https://no-color.org has it
        ({"TERM": "dumb"}, True, False),
        ({}, False, False),
        ({"FORCE_COLOR": "1"}, False, False),  # what is piped stays plain
    ],
)
def test_styles_only_on_a_terminal_that_takes_them(alexnet, monkeypatch, variables, is_terminal, has_styles):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    text = to_text(alexnet, width=80, stream=Terminal(is_terminal=is_terminal))
    assert ("\x1b" in text) is has_styles


def test_bold_and_dim_are_the_only_styles(alexnet):
    # Colours that are read on dark ground are not on light ground, and the other way round.
    text = to_text(alexnet, width=80, stream=Terminal())
    assert set(re.findall(r"\x1b\[([0-9;]*)m", text)) == {"0", "1", "2"}


@pytest.mark.parametrize("width", [12, 20, 30])
def test_where_two_columns_are_too_wide_the_second_is_cut(width):
    table = Table(
        columns=(Column("name", "Model", "text", 0), Column("title", "Title", "text", 1), Column("n", "N", "plain", 2)),
        rows=[{"name": "vgg16", "title": "VGG-16 with batch normalisation", "n": 1}],
    )
    heading, row, *_ = printed(table, width)
    assert heading.split() == ["Model", "Title"]
    assert row.startswith("vgg16  VGG")
    assert row.endswith("…")
    assert len(row) <= width


def test_long_names_keep_their_indentation():
    rows = [{"name": "blocks.0 … 3 ×4"}, {"name": "  " + "attention." * 9 + "out"}]
    table = Table(columns=(Column("name", "Layer", "text", 0),), rows=[], folded=rows)
    # Names take at most 45% of the width: 18 of 40 columns.
    assert printed(table, 40)[1:3] == ["blocks.0 … 3 ×4", "  …n.attention.out"]


def test_folded_rows_are_shown_in_ascii_too():
    table = Table(columns=(Column("name", "Layer", "text", 0),), rows=[], folded=[{"name": "0 … 3 ×4"}])
    assert printed(table, 60, Terminal("ascii", is_terminal=False))[1] == "0 ... 3 x4"


def test_a_group_is_a_line_above_its_rows_and_all_rows_are_straight():
    columns = (
        Column("name", "Name", "text", 0),
        Column("book", "Book", "text", 1),
        Column("size", "Size", "integer", 2),
    )
    books = [("alexnet", "a long title of a book", 1), ("b", "a long title of a book", 1000), ("c", "another", 20)]
    table = Table(columns, [dict(zip(("name", "book", "size"), row, strict=True)) for row in books], group="book")
    assert printed(table, 20) == [
        "  Name      Size",
        "a long title of a",
        "book",
        "  alexnet      1",
        "  b        1,000",
        "another",
        "  c           20",
    ]
    drawn = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in printed(table, 20, Terminal())]
    assert all(cell_len(line) <= 20 for line in drawn)
    assert [line for line in drawn if line.startswith("  ") and "─" not in line] == [
        "  Name      Size", "  alexnet      1", "  b        1,000", "  c           20",
    ]  # fmt: skip
