"""Published rates beside predicted ones."""

from __future__ import annotations

import pytest

from archbench.reporting.charts.rates import ComparedRate, rates_chart
from archbench.reporting.charts.save import to_svg
from tests.helpers.chart_specs import axis_titles, records, subtitle

SAID = {"conditions": "rtx4090, eval, fp32", "source": "benchmark.csv"}


def rate(model, published, predicted, low=None, high=None):
    return ComparedRate(model, 224, 256, published, predicted, low, high)


def test_rates_have_a_row_each_with_the_interval_and_the_ratio():
    rates = [rate("slow", 100.0, 90.0, 60.0, 95.0), rate("fast", 1000.0, 1200.0, 900.0, 1500.0)]
    spec = rates_chart(rates, **SAID).to_dict()
    drawn = records(spec, "published")
    # The fastest first; 1200 / 1000 = 1.2, 90 / 100 = 0.9, and 100 is above 95.
    assert [(row["row"], row["text"]) for row in drawn] == [
        ("fast, 224 px", "1.20×"),
        ("slow, 224 px", "0.90×, outside"),
    ]
    assert [(row["low"], row["high"]) for row in drawn] == [(900.0, 1500.0), (60.0, 95.0)]
    assert spec["title"]["text"] == "1 of 2 published rates lie in the predicted 90% interval"
    assert axis_titles(spec) == {"Images per second (logarithmic)"}
    assert "rtx4090, eval, fp32; batch and image size as published." in subtitle(spec)
    assert "not measured here, in benchmark.csv" in subtitle(spec)


@pytest.mark.parametrize(
    ("rates", "title"),
    [
        ([rate("net", 100.0, 90.0)], "net: predicted 0.90× the published rate"),
        # 50 / 100 is twice away, 130 / 100 only 1.3 times
        ([rate("a", 100.0, 50.0), rate("b", 100.0, 130.0)], "Predictions are at most 2.00× from 2 published rates"),
    ],
)
def test_rates_without_an_interval_are_drawn(rates, title):
    spec = rates_chart(rates, **SAID).to_dict()
    assert spec["title"]["text"] == title
    assert "outside" not in to_svg(spec)
