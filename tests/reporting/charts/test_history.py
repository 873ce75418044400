"""The chart of the ImageNet challenge: errors with the human line, and depths."""

from __future__ import annotations

import pytest

from archbench.analyze.imagenet_history import HistoryRow
from archbench.reporting.charts.history import history_chart
from archbench.reporting.charts.save import to_svg
from tests.helpers.chart_specs import axis_titles, records


def row(year, entry, error, layers=None, depth=None):
    return HistoryRow(year, entry, layers, error, "", None, depth, None, None, "a paper")


ROWS = [
    row(2011, "XRCE (no network)", 25.8),
    row(2012, "AlexNet (SuperVision)", 16.4, layers=8, depth=8),
    row(2014, "GoogLeNet", 6.7, depth=22),
    row(2015, "ResNet", 3.57, layers=152),
    row(2016, "Trimps-Soushen", 2.99),
    row(None, "human", 5.1),
]


def test_each_entry_has_a_bar_of_error_and_one_of_depth_in_order():
    spec = history_chart(ROWS).to_dict()
    drawn = records(spec, "top5_error_percent")
    assert [(each["year"], each["top5_error_percent"], each["depth"]) for each in drawn] == [
        *((2011, 25.8, None), (2012, 16.4, 8), (2014, 6.7, 22), (2015, 3.57, 152), (2016, 2.99, None)),
    ]
    assert drawn[1]["place"] == "2012|AlexNet|(SuperVision)"
    assert axis_titles(spec) == {"Top-5 error (%)", "Weight layers"}
    assert spec["title"]["text"] == "ImageNet error fell from 25.8% to 2.99% as networks grew from 8 to 152 layers"


def test_the_human_is_a_line_and_no_bar():
    spec = history_chart(ROWS).to_dict()
    assert list(records(spec, "level")) == [{"level": 5.1, "text": "human 5.1%"}]
    assert "human" not in {each["entry"] for each in records(spec, "top5_error_percent")}


def test_an_entry_without_a_depth_says_why():
    labels = {each["entry"]: each["depth_label"] for each in records(history_chart(ROWS).to_dict(), "depth")}
    assert labels["XRCE (no network)"] == "no network"
    assert labels["Trimps-Soushen"] == "not stated"
    assert "not stated" in to_svg(history_chart(ROWS).to_dict())


@pytest.mark.parametrize(("error", "height"), [(3.57, 5.1), (2.0, 2.0), (5.2, 5.2), (16.4, 16.4)])
def test_no_number_is_struck_by_the_human_line(error, height):
    # The axis is 1.12 * 25.8 = 28.9% in 260 pixels: the 18 of a number are 2.0%. Above 3.1% it would meet the line.
    rows = [row(2011, "first", 25.8), row(2012, "own", error), row(None, "human", 5.1)]
    assert records(history_chart(rows).to_dict(), "error_height")[1]["error_height"] == height
