"""Charts of what is computed of models: layers, memory, roofline, published errors."""

from __future__ import annotations

from itertools import pairwise
from math import log

import pytest

import archbench
from archbench.analyze.memory.timeline import Moment, peak_moment, timeline
from archbench.analyze.performance.estimate import roofline_rows
from archbench.analyze.performance.roofline import Conditions
from archbench.hardware.find import find_device
from archbench.hardware.fit.coefficients import plain_coefficients
from archbench.models.address import find
from archbench.precision import find_precision
from archbench.reporting.charts.axes import bytes_axis
from archbench.reporting.charts.label_placement import Label, place_labels
from archbench.reporting.charts.layer_types import category_of
from archbench.reporting.charts.layers import layers_chart
from archbench.reporting.charts.memory import memory_chart
from archbench.reporting.charts.published_error import PublishedError, published_error_chart
from archbench.reporting.charts.roofline import roofline_chart
from tests.helpers.chart_specs import axis_titles, encodings, parts, records, subtitle


@pytest.fixture(scope="module")
def vgg16_layers(zoo_summary):
    summary = zoo_summary("vgg16")
    return summary, layers_chart({"vgg16": summary.rows}).to_dict()


def test_the_bars_of_layers_sum_to_the_models_totals(vgg16_layers):
    summary, spec = vgg16_layers
    bars = records(spec, "params_share")
    assert sum(bar["params"] for bar in bars) == summary.totals.params
    assert sum(bar["macs"] for bar in bars) == summary.totals.macs
    assert [bar["layer"] for bar in bars] == [row.name for row in summary.rows if row.params or row.macs]


def test_the_layers_chart_says_where_parameters_and_macs_are(vgg16_layers):
    _, spec = vgg16_layers
    # fc6 to fc8: 102,764,544 + 16,781,312 + 4,097,000 = 123,642,856 of 138,357,544 parameters, 89.4%, and
    # 102,760,448 + 16,777,216 + 4,096,000 = 123,633,664 of 15,470,264,320 MACs, 0.8%.
    assert "138,357,544 parameters, 15,470,264,320 MACs" in subtitle(spec)
    assert "fully connected: 89.4% of parameters, 0.8% of MACs" in subtitle(spec)


def test_the_title_of_layers_says_where_most_is(vgg16_layers, zoo_summary):
    _, spec = vgg16_layers
    finding = "89% of parameters in fully connected layers, 99% of MACs in convolutions"
    assert spec["title"]["text"] == f"vgg16: {finding}"
    named = layers_chart({"vgg16": zoo_summary("vgg16").rows}, title="VGG-16").to_dict()
    assert named["title"]["text"] == f"VGG-16: {finding}"


def test_counts_of_four_digits_are_not_rounded(vgg16_layers):
    _, spec = vgg16_layers
    # 3 * 3 * 3 * 64 weights and 64 biases
    assert records(spec, "params_label")[0]["params_label"] == "1,792 · <0.1%"


def test_parameters_grow_to_the_left_and_macs_to_the_right(vgg16_layers):
    _, spec = vgg16_layers
    assert axis_titles(spec) == {"Parameters", "MACs"}
    scales = {each["x"]["field"]: each["x"]["scale"] for each in encodings(spec) if "field" in each["x"]}
    assert (scales["params"]["reverse"], scales["macs"]["reverse"]) == (True, False)


def test_kinds_of_layers_differ_in_shape_too(vgg16_layers):
    _, spec = vgg16_layers
    (shape,) = [encoding["shape"] for encoding in encodings(spec) if "shape" in encoding]
    assert shape["scale"] == {"domain": ["convolution", "fully connected"], "range": ["circle", "square"]}


def test_doubts_stand_below_the_title_in_four_lines_at_most(zoo_summary):
    doubt = f"lenet: uncounted, their cost is in no figure: {', '.join(f'aten.operator_{i} (1×)' for i in range(40))}"
    rows = zoo_summary("lenet").rows
    one = layers_chart({"lenet": rows}).to_dict()["title"]["subtitle"]
    for models in ({"lenet": rows}, {"lenet": rows, "again": rows}):
        spec = layers_chart(models, notes=[doubt]).to_dict()
        said = spec["title"]["subtitle"]
        (first,) = [i for i, line in enumerate(said) if line.startswith("lenet: uncounted")]
        assert len(said) == first + 4
        assert said[-1].endswith(" …")
        assert doubt in spec["description"]
    assert not any("uncounted" in line for line in one)


def test_several_models_stand_below_each_other_with_their_totals(zoo_summary):
    models = {name: zoo_summary(name).rows for name in ("lenet", "alexnet")}
    spec = layers_chart(models).to_dict()
    # 416,520 and 724,406,816 MACs with four digits
    assert [panel["title"]["text"] for panel in spec["vconcat"]] == [
        "lenet: 61.71K parameters, 416.5K MACs",
        "alexnet: 60.97M parameters, 724.4M MACs",
    ]
    assert {row["model"] for rows in spec["datasets"].values() for row in rows} == set(models)


def test_of_many_layers_modules_are_drawn_and_nothing_is_lost(zoo_summary):
    from archbench.api.summary import summarize
    from archbench.models.inputs import InputSpec

    summary = summarize(find("torchvision:resnet50").build(), InputSpec((3, 64, 64)).tensor(1))
    bars = records(layers_chart({"resnet50": summary.rows}).to_dict(), "params_share")
    # conv1, bn1, fc and 3 + 4 + 6 + 3 bottlenecks
    assert len(bars) == 19
    assert sum(bar["params"] for bar in bars) == summary.totals.params
    assert sum(bar["macs"] for bar in bars) == summary.totals.macs


def test_kinds_of_layers_are_known_by_their_types():
    kinds = {
        name: category_of(name) for name in ("Conv2d", "PartialConv", "Linear", "MaxPool2d", "BatchNorm2d", "ReLU")
    }
    assert list(kinds.values()) == [
        *("convolution", "convolution", "fully connected", "pooling", "normalisation", "other"),
    ]


def test_the_memory_chart_has_every_moment_and_marks_the_peak(zoo_trace):
    trace = zoo_trace("alexnet", 4, "train")
    moments, peak = timeline(trace), peak_moment(trace)
    spec = memory_chart(moments, title="AlexNet", setting="train").to_dict()
    drawn = records(spec, "activation_bytes")
    # The last one is there twice, for its area ends somewhere.
    assert [row["total_bytes"] for row in drawn] == [*(m.total_bytes for m in moments), moments[-1].total_bytes]
    assert all(
        row["total_bytes"] == sum(row[name] for name in row if name.endswith("_bytes") and name != "total_bytes")
        for row in drawn
    )
    (mark,) = records(spec, "middle")
    place = next(i for i, moment in enumerate(moments) if moment.total_bytes == peak.total_bytes)
    assert (mark["total_bytes"], mark["middle"]) == (peak.total_bytes, place + 0.5)
    assert spec["title"]["text"].endswith(f"in the backward pass of {peak.layer}")
    assert {row["phase"] for row in records(spec, "phase") if row["operation"]} >= {"forward", "backward"}


def test_memory_is_in_the_binary_unit_of_its_peak():
    moment = Moment(0, "forward", "fc", "aten.mm", 3 * 2**30, 0, 0, 0, 0, 0, 3 * 2**30)
    spec = memory_chart([moment], title="one").to_dict()
    assert axis_titles(spec) == {"Memory (GiB)", "Layer, in the order of execution; one place per operator"}
    axis = next(encoding["y"]["axis"] for encoding in encodings(spec) if encoding.get("y", {}).get("axis"))
    # steps of 1 GiB: the peak over 5 is 0.6, the next of 1, 2, 5 is 1
    assert axis["values"] == [0, 2**30, 2 * 2**30, 3 * 2**30, 4 * 2**30]
    assert f"{2.0**30!r}" in axis["labelExpr"]


def shown_memory(spec):
    """Return the categories that are stacked, and the ends of the vertical axis."""
    stacked = next(each for each in encodings(spec) if each.get("y", {}).get("stack") == "zero")
    return stacked["color"]["scale"]["domain"], stacked["y"]["scale"]["domain"]


def test_in_inference_parameters_are_a_band_and_the_rest_has_its_own_axis(zoo_trace):
    moments = timeline(zoo_trace("alexnet", 1, "eval"))
    peak = max(moments, key=lambda moment: moment.total_bytes)
    spec = memory_chart(moments, title="AlexNet", setting="eval, batch 1, fp32").to_dict()
    # 60,965,224 parameters of 4 bytes are 243,860,896 bytes: 232.6 MiB; norm1 needs 237.6 in all.
    assert spec["title"]["text"] == "AlexNet: peak 237.6 MiB in the forward pass of norm1"
    assert records(spec, "low")[0]["label"] == "parameters 232.6 MiB, throughout (not to scale)"
    categories, (low, high) = shown_memory(spec)
    assert categories == ["temporary", "activations", "inputs"]
    assert low < 0
    assert high == pytest.approx(1.12 * (peak.total_bytes - 243_860_896))


def test_in_training_parameters_are_stacked_with_what_changes(zoo_trace):
    spec = memory_chart(timeline(zoo_trace("alexnet", 4, "train")), title="AlexNet").to_dict()
    categories, (low, _) = shown_memory(spec)
    assert categories[-1] == "parameters"
    assert low == 0
    phases = next(part for part in parts(spec) if part.get("encoding", {}).get("text", {}).get("field") == "phase")
    assert phases["mark"]["align"] == "left"


def test_the_ticks_of_memory_are_names_of_layers_with_room(zoo_trace):
    spec = memory_chart(timeline(zoo_trace("alexnet", 1, "eval")), title="AlexNet").to_dict()
    axis = next(each["x"]["axis"] for each in encodings(spec) if "axis" in each.get("x", {}))
    assert all(f'"{name}"' in axis["labelExpr"] for name in ("conv1", "norm1", "norm2"))
    pixels = spec["width"] / len(timeline(zoo_trace("alexnet", 1, "eval")))
    assert all((b - a) * pixels >= 18 for a, b in pairwise(axis["values"]))


@pytest.mark.parametrize(
    ("peak_bytes", "steps"),
    # The peak over 5 is 0.202, above that 0.5: two steps below the peak are too few, so 0.2. 4.1 / 5 = 0.82: 1.
    [(1.01 * 2**20, [0, 0.2, 0.4, 0.6, 0.8, 1, 1.2]), (4.1 * 2**20, [0, 1, 2, 3, 4, 5])],
)
def test_an_axis_of_bytes_has_at_least_three_steps(peak_bytes, steps):
    axis = bytes_axis("Memory", peak_bytes).to_dict()
    assert [value / 2**20 for value in axis["values"]] == pytest.approx(steps)


@pytest.fixture(scope="module")
def alexnet_roofline(zoo_trace):
    place, precision = find_device("t4"), find_precision("fp32")
    rows = roofline_rows(zoo_trace("alexnet", 16, "eval"), Conditions(place, precision, plain_coefficients(0.8)))
    return rows, place, roofline_chart(rows, place, "fp32", title="alexnet").to_dict()


def test_the_roofline_has_each_layer_that_computes_below_its_ceilings(alexnet_roofline):
    rows, place, spec = alexnet_roofline
    drawn = records(spec, "share")
    assert {row["name"] for row in drawn} == {row.name for row in rows if row.flops}
    for row in drawn:
        ceiling = min(place.peak("fp32"), row["intensity"] * place.bandwidth_bytes_per_s)
        assert row["flop_per_s"] < ceiling


def test_the_ceilings_are_the_devices(alexnet_roofline):
    _, place, spec = alexnet_roofline
    corners = records(spec, "ceiling")
    assert max(corner["flop_per_s"] for corner in corners) == place.peak("fp32")
    ridge = place.peak("fp32") / place.bandwidth_bytes_per_s
    assert any(corner["intensity"] == pytest.approx(ridge) for corner in corners)
    assert axis_titles(spec) == {"Arithmetic intensity (FLOP per byte moved)", "Rate (FLOP/s)"}
    # 320 GB/s and 8.1 TFLOP/s: the published figures of the T4
    said = {row["label"] for rows in spec["datasets"].values() for row in rows if "label" in row}
    assert {"memory: 320.0 GB/s", "peak fp32: 8.100 TFLOP/s"} <= said


def test_the_layers_with_most_of_the_time_are_named_whatever_their_kind(alexnet_roofline):
    rows, _, spec = alexnet_roofline
    slowest = sorted((row for row in rows if row.flops), key=lambda row: -row.share)[:8]
    named = {row["label"] for row in records(spec, "share") if row["label"]}
    assert named == {f"{row.name} {row.share:.0%}" for row in slowest if row.share >= 0.01}


def test_the_roofline_says_what_most_of_the_time_is_bound_by(alexnet_roofline):
    rows, place, spec = alexnet_roofline
    by_bound = {bound: sum(row.share for row in rows if row.bound == bound) for bound in ("memory", "compute")}
    assert by_bound["compute"] > by_bound["memory"]
    finding = f"{by_bound['compute']:.0%} of the time bound by arithmetic"
    assert spec["title"]["text"] == f"alexnet on {place.title}: {finding}"
    # 8.1 TFLOP/s / 320 GB/s = 25.3 FLOP per byte: the shade ends there
    assert records(spec, "end")[0]["end"] == pytest.approx(25.3125)


def test_half_precision_has_the_roof_of_other_arithmetic_too(zoo_trace):
    place = find_device("h200")
    rows = roofline_rows(
        zoo_trace("alexnet", 16, "eval"), Conditions(place, find_precision("fp32"), plain_coefficients(0.8))
    )
    spec = roofline_chart(rows, place, "bf16", title="alexnet").to_dict()
    assert {corner["ceiling"] for corner in records(spec, "ceiling")} == {"bf16", "fp32"}


def test_published_errors_are_marked_as_such_with_their_protocols():
    rows = [
        PublishedError("small", "Small", 1_000_000, 10_000_000, 18.2, "one crop"),
        PublishedError("large", "Large", 4_000_000, 90_000_000, 9.1, "ten crops"),
    ]
    spec = published_error_chart(rows).to_dict()
    drawn = records(spec, "top5_error_percent")
    assert [(row["model"], row["params"], row["macs"], row["protocol"]) for row in drawn] == [
        ("small", 1_000_000, 10_000_000, "one crop"),
        ("large", 4_000_000, 90_000_000, "ten crops"),
    ]
    assert {row["origin"] for row in drawn} == {"published"}
    assert "Published, not measured here" in subtitle(spec)
    assert "2 different protocols" in subtitle(spec)
    assert "Published top-5 error (%), lower is better" in axis_titles(spec)


def test_the_area_of_a_mark_is_in_proportion_to_parameters():
    rows = [PublishedError("a", "A", 2_000_000, 10, 5.0, "p"), PublishedError("b", "B", 8_000_000, 20, 6.0, "p")]
    sizes = [encoding["size"] for encoding in encodings(published_error_chart(rows).to_dict()) if "size" in encoding]
    # from nothing for none, so that the scale goes through 0
    assert [(size["scale"]["domain"], size["scale"]["range"][0]) for size in sizes] == [([0, 8_000_000], 0)]


def test_names_do_not_cover_each_other_or_marks():
    points = {"first": (200.0, 100.0), "second": (212.0, 100.0), "third": (206.0, 108.0)}
    near = [Label(x, y, 100.0, text) for text, (x, y) in points.items()]
    found = place_labels(near, 400, 200, show_all=True)
    assert all(place.is_shown for place in found)
    assert len({(place.dx, place.dy) for place in found}) == 3
    # To the right of the first one is the second.
    assert found[0].dx <= 0


def test_a_name_that_finds_nothing_free_stays_in_the_picture_where_it_covers_least():
    everything = (0.0, 0.0, 400.0, 200.0)
    # Ten letters are 66 pixels, more than there are to the right.
    (place,) = place_labels([Label(380.0, 100.0, 25.0, "ten letter")], 400, 200, obstacles=[everything], show_all=True)
    assert (place.is_shown, place.align) == (True, "right")
    upper = (0.0, 0.0, 400.0, 106.0)
    (place,) = place_labels([Label(200.0, 100.0, 25.0, "name")], 400, 200, obstacles=[everything, upper], show_all=True)
    assert place.dy > 6


@pytest.mark.slow
def test_no_leader_line_strikes_a_name():
    spec = archbench.plot("accuracy").to_dict()
    x_scale, y_scale = (
        next(each[axis]["scale"]["domain"] for each in encodings(spec) if axis in each) for axis in ("x", "y")
    )
    width, height = spec["width"], spec["height"]
    rows = records(spec, "top5_error_percent")
    boxes, lines = {}, {}
    for row in rows:
        x, y = pixels(row["macs"], row["top5_error_percent"], x_scale, y_scale, width, height)
        length = 6.0 * len(row["label"])  # of 12 pixels, an average letter takes half
        left = x + row["dx"] - {"left": 0, "center": length / 2, "right": length}[row["align"]]
        boxes[row["model"]] = (left, y + row["dy"] - 5, left + length, y + row["dy"] + 5)
        if "leader_x" in row:
            lines[row["model"]] = (x, y, *pixels(row["leader_x"], row["leader_y"], x_scale, y_scale, width, height))
    assert lines
    for start_x, start_y, end_x, end_y in lines.values():
        for step in range(101):
            x, y = (a + step / 100 * (b - a) for a, b in ((start_x, end_x), (start_y, end_y)))
            assert not any(box[0] < x < box[2] and box[1] < y < box[3] for box in boxes.values())


def pixels(x, y, x_scale, y_scale, width, height):
    """Return the place of a point on a logarithmic and a linear axis."""
    (low, high), (bottom, top) = x_scale, y_scale
    return width * log(x / low) / log(high / low), height * (top - y) / (top - bottom)


def test_a_name_without_a_place_is_left_out_or_stands_off():
    crowd = [Label(50.0, 20.0, 100.0, "name") for _ in range(30)]
    assert sum(place.is_shown for place in place_labels(crowd, 100, 40)) < 30
    assert all(place.is_shown for place in place_labels(crowd, 100, 40, show_all=True))
    # Something covers the 30 pixels around the point: 52 pixels away there is room.
    alone, around = [Label(200.0, 200.0, 100.0, "name")], [(170.0, 170.0, 230.0, 230.0)]
    assert not place_labels(alone, 400, 400, obstacles=around)[0].is_shown
    (off,) = place_labels(alone, 400, 400, obstacles=around, show_all=True)
    assert (off.is_shown, off.is_near) == (True, False)
    assert max(abs(off.dx), abs(off.dy)) > 30
