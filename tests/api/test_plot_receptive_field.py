"""`archbench.plot("receptive-field", ...)`."""

from __future__ import annotations

import pytest
from torch import nn

import archbench
from archbench.errors import UsageError
from tests.helpers.chart_specs import records, subtitle


def test_plot_receptive_field_has_the_fields_that_explain_derives():
    spec = archbench.plot("receptive-field", "alexnet").to_dict()
    fields = {square["layer"]: square["size"] for square in records(spec, "left")}
    explained = {
        layer.row.name: derivation.result
        for layer in archbench.explain("alexnet").layers
        for derivation in layer.derivations
        if derivation.symbol == "receptive field"
    }
    assert {name: f"{explained[name]}x{explained[name]}" for name in fields if name != "input"} == {
        name: size for name, size in fields.items() if name != "input"
    }
    # (((1 + 10) + 2*4) + 4*8) + 2*8 + 3*2*16 + 2*16 = 195
    assert spec["title"]["text"] == "One unit of pool5 of AlexNet sees 195x195 of the 227x227 input"


def test_three_3x3_equal_one_7x7_and_the_picture_says_what_that_saves():
    spec = archbench.plot("receptive-field", "vgg16", layer=["conv3_1", "conv3_3"]).to_dict()
    assert "see 7x7, as one 7x7 window does" in spec["title"]["text"]
    assert "9 + 9 + 9 = 27, where one 7x7 window has 49" in subtitle(spec)
    squares = records(spec, "left")
    assert sorted(square["size"] for square in squares) == ["1x1", "3x3", "5x5", "7x7"]
    outer = max(squares, key=lambda square: square["right"] - square["left"])
    assert all(outer["left"] <= s["left"] and s["right"] <= outer["right"] for s in squares)
    cells = records(spec, "at")
    assert len([cell for cell in records(spec, "layer") if cell.get("layer")]) == 4
    assert cells


def test_plot_receptive_field_takes_sequences_of_one_dimension():
    model = nn.Sequential(nn.Conv1d(1, 4, 3), nn.Conv1d(4, 4, 3, dilation=2))
    spec = archbench.plot("receptive-field", model, inputs="1x32").to_dict()
    # 1 + 2 = 3, then 3 + 2 * 2 = 7
    assert {square["size"] for square in records(spec, "left")} == {"1", "3", "7"}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("conv33", r"layer='conv33' is not a layer of vgg16 with a window; did you mean 'conv3_3'\?"),
        (["conv3_3", "conv3_1"], "is neither one layer nor the first and the last of a path"),
        (["conv1_1", "conv1_2", "conv2_1"], "is neither one layer nor the first and the last of a path"),
    ],
)
def test_plot_receptive_field_refuses_other_layers(layer, message):
    with pytest.raises(UsageError, match=message):
        archbench.plot("receptive-field", "vgg16", layer=layer)


def test_plot_receptive_field_says_why_there_is_none():
    with pytest.raises(UsageError, match="nothing to plot: ReLU has no layer with a window"):
        archbench.plot("receptive-field", nn.ReLU(), inputs="3x8x8")
