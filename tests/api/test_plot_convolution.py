"""`archbench.plot("convolution", ...)`: a layer's window on its input."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn, zeros
from torch.nn.functional import conv2d

import archbench
from archbench.errors import UsageError
from archbench.reporting.charts.convolution import Slide
from archbench.trace.records import Window
from tests.helpers.chart_specs import records, subtitle


def _cells(spec):
    return records(spec, "grid")


def test_plot_convolution_has_the_layers_own_numbers():
    spec = archbench.plot("convolution", "alexnet").to_dict()
    assert spec["title"]["text"] == "conv1 of AlexNet: 227x227 → 55x55 by windows of 11x11, stride 4"
    text = subtitle(spec)
    assert "output width = output height = floor((227 − 11 + 2·0)/4) + 1 = 55" in text
    assert "weights = 11·11·3·96 = 34,848" in text
    assert "MACs = 34,848·55·55 = 105,415,200" in text
    # 11 * 11 * 3 products for each output
    assert "96x55x55, 363 products each" in {head["text"] for head in records(spec, "name")}
    cells = _cells(spec)
    assert sum(cell["kind"] == "first window" for cell in cells) == 121
    assert sum(cell["grid"] == "Window" for cell in cells) == 121


def test_small_inputs_are_drawn_whole_with_their_padding():
    model = nn.Conv2d(2, 4, 3, stride=2, padding=1)
    cells = _cells(archbench.plot("convolution", model, inputs="2x7x7").to_dict())
    # 9 * 9 with padding, of which 7 * 7 are inputs; floor((7 + 2 - 3) / 2) + 1 = 4
    assert sum(cell["grid"] == "Input" for cell in cells) == 81
    assert sum(cell["grid"] == "Output" for cell in cells) == 16
    assert sum(cell["kind"] == "padding" for cell in cells) == 81 - 49 - 5  # five of the first window's are padding


def test_a_dilated_window_reads_every_second_input():
    model = nn.Conv2d(1, 1, 3, dilation=2)
    cells = _cells(archbench.plot("convolution", model, inputs="1x8x8").to_dict())
    side = next(cell["right"] - cell["left"] for cell in cells)
    read = {(round(c["upper"] / side), round(c["left"] / side)) for c in cells if c["kind"] == "first window"}
    assert read == {(row, column) for row in (0, 2, 4) for column in (0, 2, 4)}


def test_plot_convolution_takes_one_dimension_and_pooling():
    sequence = archbench.plot("convolution", nn.Conv1d(3, 4, 5), inputs="3x12").to_dict()
    assert "12 → 8 by windows of 5" in sequence["title"]["text"].replace("1x", "")
    pool = archbench.plot("convolution", "alexnet", layer="pool5").to_dict()
    assert "3x3, each map alone" in {head["text"] for head in records(pool, "name")}


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 4),
    st.integers(0, 2),
    st.integers(1, 2),
)
def test_what_is_drawn_is_part_of_what_is_computed(size, kernel, stride, padding, dilation):
    reach = [dilation * (k - 1) + 1 for k in kernel]
    if any(n + 2 * padding < r for n, r in zip(size, reach, strict=True)):
        return
    made = conv2d(zeros(1, 1, *size), zeros(1, 1, *kernel), stride=stride, padding=padding, dilation=dilation)
    two = lambda value: (value, value)  # noqa: E731 - named twice, and short
    window = Window(kernel, two(stride), two(padding), 1, two(dilation))
    slide = Slide(window, size, tuple(made.shape[2:]), ("", "", ""))
    for place in (0, 1):
        inputs, outputs = slide.shown(place)
        assert 1 <= outputs <= made.shape[2 + place]
        assert inputs <= size[place] + 2 * padding
        # every output that is drawn finds all that it reads
        assert (outputs - 1) * stride + reach[place] <= inputs
    rows, columns = slide.shown(0)[0], slide.shown(1)[0]
    read = [(r, c) for r in range(rows) for c in range(columns) if slide.is_window(r, c)]
    assert len(read) == kernel[0] * kernel[1]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            "conv11",
            r"layer='conv11' is not a convolution or pooling with a fixed window in alexnet; did you mean 'conv1'\?",
        ),
        (["conv1", "conv2"], "plot convolution takes one layer, got 2"),
        ("fc6", "layer='fc6' is not a convolution or pooling with a fixed window in alexnet"),
    ],
)
def test_plot_convolution_refuses_other_layers(layer, message):
    with pytest.raises(UsageError, match=message):
        archbench.plot("convolution", "alexnet", layer=layer)


def test_plot_convolution_of_a_model_without_one_has_nothing_to_draw():
    with pytest.raises(UsageError, match="nothing to plot: Linear has no convolution"):
        archbench.plot("convolution", nn.Linear(4, 2), inputs="4")
