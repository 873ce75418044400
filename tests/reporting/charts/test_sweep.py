"""The chart of a sweep: the finding as its title, curves through the counts, terms as lines of their own."""

from __future__ import annotations

from fractions import Fraction

import pytest
from torch import nn

import archbench
from archbench.analyze.growth import Growth
from archbench.analyze.polynomial import Polynomial
from archbench.errors import UsageError
from archbench.reporting.charts.sweep import Series, sweep_chart
from tests.helpers.chart_specs import axis_titles, encodings, parts, records, subtitle


def spec_of(*series, name="length"):
    return sweep_chart(series, name=name, subject="MACs").to_dict()


def series_of(model, coefficients, values):
    polynomial = Polynomial(tuple(map(Fraction, coefficients)))
    return Series(model, {value: int(polynomial(value)) for value in values}, Growth(polynomial, 0, 1))


def scale_types(spec):
    return {encoding[axis]["scale"].get("type", "linear") for encoding in encodings(spec) for axis in ("x", "y")}


@pytest.mark.parametrize(
    ("coefficients", "title"),
    [
        ([7], "MACs of net do not depend on length"),
        ([0, 3], "MACs of net grow linearly with length"),
        ([0, 0, 3], "MACs of net grow with the square of length"),
        # 2 T² exceeds 100 T from T = 51 on.
        ([0, 100, 2], "MACs of net grow with the square of length from 51 on"),
        ([0, 0, 0, 0, 1], "MACs of net grow with the fourth power of length"),
    ],
)
def test_the_title_states_how_macs_grow(coefficients, title):
    assert spec_of(series_of("net", coefficients, (16, 32, 64)))["title"]["text"] == title


def test_axes_are_logarithmic_from_a_ratio_of_four_on():
    assert scale_types(spec_of(series_of("net", [0, 1], (16, 64)))) == {"log"}
    assert scale_types(spec_of(series_of("net", [0, 1], (16, 63)))) == {"linear"}
    assert scale_types(spec_of(Series("free", {16: 0, 64: 0}, None))) == {"linear"}


def test_a_single_model_shows_each_term_of_its_polynomial():
    spec = spec_of(series_of("net", [0, 100, 2], (16, 64, 256)))
    texts = [part["encoding"]["text"] for part in parts(spec) if (part.get("mark") or {}).get("type") == "text"]
    assert len(texts) == 2
    lines = {record["model"] for record in records(spec, "value")}
    assert lines == {"100·T", "2·T²"}
    assert subtitle(spec) == "MACs = 2·T² + 100·T (T: length)."


def test_the_curve_meets_the_counts_and_is_straight_where_no_polynomial_does():
    net = series_of("net", [0, 0, 1], (2, 4, 8))
    curve = records(spec_of(net), "value")
    assert all(record["macs"] == pytest.approx(record["value"] ** 2) for record in curve)
    off = Series("net", {**net.macs, 16: 300}, net.growth)
    assert [record["value"] for record in records(spec_of(off), "value")] == [2, 4, 8, 16]


def test_several_models_differ_in_colour_dash_and_shape_and_each_has_its_equation():
    spec = spec_of(series_of("a", [0, 1], (1, 8)), series_of("b", [0, 0, 1], (1, 8)), name="size")
    assert spec["title"]["text"] == "MACs of 2 models against size"
    assert subtitle(spec) == "a: MACs = S (S: size). b: MACs = S² (S: size)."
    assert {"strokeDash", "shape", "color"} <= {name for encoding in encodings(spec) for name in encoding}


def test_plot_sweep_counts_models_and_training_with_both_passes():
    # Each of T steps multiplies 4 x 2 weights; backward does so again for the weights, not for the input.
    spec = archbench.plot("sweep", nn.Linear(4, 2), inputs="9x4", sweep="length=16..256", mode="train").to_dict()
    assert spec["title"]["text"] == "MACs of Linear grow linearly with length"
    assert subtitle(spec) == "MACs = 16·T (T: length)."
    assert axis_titles(spec) == {"Length", "MACs of forward and backward pass, batch 1"}


def test_plot_sweep_requires_models_and_a_sweep():
    with pytest.raises(UsageError, match="plot sweep takes at least one model"):
        archbench.plot("sweep", sweep="size=64..128")
    with pytest.raises(UsageError, match=r"plot sweep requires sweep, such as size=64\.\.512"):
        archbench.plot("sweep", "vgg16")
    with pytest.raises(UsageError, match="sweep has no effect on plot layers; it is for sweep"):
        archbench.plot("layers", "vgg16", sweep="size=64..128")
