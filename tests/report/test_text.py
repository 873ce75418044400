from __future__ import annotations

import pytest

from archbench.report.layouts import comparison_table, summary_table
from archbench.report.table import Column, Table
from archbench.report.text import to_text


def printed(table, width):
    return to_text(table, width=width).splitlines()


@pytest.fixture
def alexnet(zoo_summary):
    return summary_table(zoo_summary("alexnet").table, model="alexnet", batch=1, mode="eval")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160, 200])
def test_a_table_fits_its_width_and_keeps_one_line_a_layer(alexnet, width):
    lines = printed(alexnet, width)
    assert max(map(len, lines)) <= width
    assert lines[0] == "alexnet, eval, batch 1"
    layers = [line.split()[0] for line in lines[2 : 2 + len(alexnet.rows)]]
    assert layers == [row["name"] for row in alexnet.rows]


def test_columns_go_by_priority_and_are_named(alexnet):
    narrow, wide = printed(alexnet, 60), printed(alexnet, 160)
    assert narrow[1].split() == ["Layer", "Output", "Kernel", "Stride", "Params", "MACs"]
    assert {"FLOPs", "Neurons", "Groups", "FLOP/B"} <= set(wide[1].split())
    assert any(line.startswith("Not shown in 60 columns: Type") for line in narrow)


def test_totals_stand_last(alexnet):
    (total,) = [line for line in printed(alexnet, 80) if line.startswith("total")]
    assert total.split()[1:] == ["8", "weight", "layers", "60,965,224", "724,406,816"]


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
    from archbench.analyze.comparison import ModelRow

    def row(name, params):
        return ModelRow(name, name, None, (1, 3), 1, params, 10, 20, 4, 4 * params, 9, None, 0.5, None)

    table = comparison_table([row("a", 2000), row("b", 3000)], baseline=1, batch=1, mode="eval")
    lines = printed(table, 120)
    assert lines[0] == "eval, batch 1, ratios to b"
    assert "2.000K 0.67×" in lines[2]
    assert "3.000K 1.00×" in lines[3]


def test_a_comparison_with_itself_alone_has_no_ratios():
    from archbench.analyze.comparison import ModelRow

    only = ModelRow("a", "a", None, (1, 3), 1, 5, 10, 20, 4, 20, 9, None, 0.5, None)
    assert "×" not in "\n".join(printed(comparison_table([only], baseline=0, batch=1, mode="eval"), 160))
