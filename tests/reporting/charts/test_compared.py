"""Charts of models side by side: on common scales, and two of them aligned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archbench.analyze.diff import difference
from archbench.reporting.charts.comparison import ModelLayers, comparison_chart, finding
from archbench.reporting.charts.difference import difference_chart
from tests.helpers.chart_specs import parts, records, subtitle


@pytest.fixture(scope="module")
def models(zoo_summary):
    return [
        ModelLayers(name, summary.rows, summary.totals.peak_inference_bytes)
        for name, summary in ((name, zoo_summary(name)) for name in ("alexnet", "vgg16"))
    ]


@pytest.fixture(scope="module")
def compared(models):
    return comparison_chart(models, subject="one sample").to_dict()


def _panels(spec):
    return [part for part in spec["concat"] if "layer" in part]


def _rows(spec, panel, field):
    """Return the data set of a panel that has a field."""
    return records({"datasets": spec["datasets"], **panel}, field)


def test_compare_divides_each_total_by_kind_of_layer(compared, zoo_summary):
    params, macs, memory = (_rows(compared, panel, "start") for panel in _panels(compared)[:3])
    for name in ("alexnet", "vgg16"):
        totals = zoo_summary(name).totals
        assert max(piece["end"] for piece in params if piece["model"] == name) == totals.params
        assert sum(piece["value"] for piece in macs if piece["model"] == name) == totals.macs
        (peak,) = [piece["value"] for piece in memory if piece["model"] == name]
        assert peak == totals.peak_inference_bytes
    # fc6 to fc8 of vgg16: 102,764,544 + 16,781,312 + 4,097,000 = 123,642,856
    (dense,) = [p for p in params if (p["model"], p["category"]) == ("vgg16", "fully connected")]
    assert dense["value"] == 123_642_856


def test_compare_has_one_scale_per_column_and_every_layer(compared, models):
    below = _panels(compared)[3:]
    for column, field in enumerate(("params", "macs", "bytes")):
        own = below[column::3]
        domains = [tuple(part["encoding"]["y"]["scale"]["domain"]) for panel in own for part in parts(panel)
                   if "scale" in part.get("encoding", {}).get("y", {})]  # fmt: skip
        assert len(set(domains)) == 1
        sums = [sum(bar[field] for bar in _rows(compared, panel, "left")) for panel in own]
        counted = [[row for row in model.rows if row.params or row.macs] for model in models]
        name = "output_bytes" if field == "bytes" else field
        assert sums == [sum(getattr(row, name) for row in rows) for rows in counted]


def test_compares_title_is_the_finding(models, zoo_summary):
    # 138,357,544 / 60,965,224 = 2.269, 15,470,264,320 / 724,406,816 = 21.36
    assert finding(models) == "vgg16 against alexnet: 2.27× the parameters, 21.4× the MACs"
    lenet = zoo_summary("lenet")
    three = [*models, ModelLayers("lenet", lenet.rows, None)]
    assert finding(three) == "vgg16 has the most parameters (138.4M) and MACs (15.47G)"
    labels = records(comparison_chart(three, subject="").to_dict(), "label")
    assert labels[2]["label"].endswith("0.001×")  # 61,706 / 60,965,224


def _difference(a, b, zoo_summary):
    rows = difference(zoo_summary(a).rows, zoo_summary(b).rows)
    return rows, difference_chart(rows, names=(a, b), title="").to_dict()


def test_diff_joins_pairs_and_marks_what_was_added(zoo_summary):
    rows, spec = _difference("vgg11", "vgg13", zoo_summary)
    joins = records(spec, "word")
    texts = {row["middle"]: row["whole"] for row in records(spec, "whole")}
    added = [join for join in joins if join["word"] == "added"]
    assert len(added) == sum(row.change == "only_b" for row in rows) == 4
    # 64 * 64 * 9 + 64 = 36,928
    assert texts[added[0]["middle"]] == "added: Conv2d 3x3 → 64x224x224 (+36.93K params)"
    assert "4 added, 29 the same" in subtitle(spec)


def test_diff_draws_runs_of_equal_layers_as_one_line_with_their_sums(zoo_summary):
    rows, spec = _difference("vgg11", "vgg13", zoo_summary)
    runs = [row["whole"] for row in records(spec, "whole") if "the same" in row["whole"]]
    # pool1, conv2_1, relu2_1: 64 * 128 * 9 + 128 = 73,856 parameters, times 112 * 112 without the biases
    assert runs[0] == "3 the same: 73.86K params, 924.8M MACs"
    lone = [row for row in rows if row.change != "same"][:1]
    assert lone[0].b.name not in " ".join(runs)


def test_diff_has_one_scale_for_both_models(zoo_summary):
    _, spec = _difference("alexnet", "vgg16", zoo_summary)
    bars = {bar["layer"]: bar for bar in records(spec, "params") if bar["layer"]}
    width = {name: abs(bars[name]["end"] - bars[name]["start"]) for name in ("conv5_1", "conv4_1")}
    # 512 * 512 * 9 + 512 = 2,359,808 and 256 * 512 * 9 + 512 = 1,180,160 parameters
    assert width["conv5_1"] / width["conv4_1"] == pytest.approx(2_359_808 / 1_180_160)
    sides = [bar for bar in records(spec, "params") if bar["layer"] == "fc6"]
    a, b = (abs(bar["end"] - bar["start"]) for bar in sides)
    assert b / a == pytest.approx(102_764_544 / 37_752_832)  # (25,088 + 1) * 4,096 and (9,216 + 1) * 4,096


def test_long_names_keep_their_ends_within_their_columns(zoo_summary):
    # Layers of one module begin alike: "layer3.22.conv1" of a ResNet, cut at its end, would be all others of "layer3".
    row = replace(zoo_summary("lenet").rows[0], name=f"{'encoder.' * 20}conv1")
    spec = difference_chart(difference([row], [row]), names=("a", "b"), title="").to_dict()
    names = [part["mark"] for part in parts(spec) if part.get("encoding", {}).get("text", {}).get("field") == "name"]
    assert [mark["dir"] for mark in names if "limit" in mark] == ["rtl", "rtl"]
    model = ModelLayers("deep", [row], None)
    spec = comparison_chart([model, replace(model, name="deep 2")], subject="").to_dict()
    marks = [part["mark"] for part in parts(spec) if part.get("encoding", {}).get("text", {}).get("field") == "layer"]
    panels = [part for part in spec["concat"] if "layer" in part]
    assert marks
    assert all(mark["dir"] == "rtl" and mark["limit"] <= panels[0]["width"] for mark in marks)


def test_a_text_is_cut_only_where_it_is_wider_than_its_room(zoo_summary):
    rows, spec = _difference("vgg11", "vgg13", zoo_summary)
    assert all(record["text"] == record["whole"] for record in records(spec, "whole"))
    row = replace(next(row.a for row in rows if row.a), name=f"{'encoder.' * 20}conv1")
    spec = difference_chart(difference([row] * 3, [row] * 3), names=("a", "b"), title="", width=600).to_dict()
    (record,) = records(spec, "whole")
    assert record["text"].endswith("…")
    assert record["whole"].startswith(record["text"][:-1])
