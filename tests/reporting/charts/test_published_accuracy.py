"""The chart of published accuracy against rate: its points, its line and its labels."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from archbench.reporting.charts.label_placement import Label
from archbench.reporting.charts.label_stairs import label_boxes, place_above
from archbench.reporting.charts.published_accuracy import published_accuracy_chart
from archbench.store.published import PublishedAccuracy, PublishedRate
from tests.helpers.chart_specs import axis_titles, encodings, parts, records, subtitle


def point(model, images_per_s, top1, img_size=224):
    rate = PublishedRate(
        "rates.csv",
        model,
        "cuda",
        "rtx4090",
        "eval",
        "amp-fp16",
        "nhwc",
        False,
        "2.4.0",
        img_size,
        256,
        images_per_s,
    )
    return rate, PublishedAccuracy("results-imagenet.csv", model, "in1k", img_size, top1, 0.9)


def labels(spec):
    """Return the texts that are drawn."""
    drawn = [part for part in parts(spec) if isinstance(part.get("mark"), dict) and part["mark"]["type"] == "text"]
    return [row["label"] for part in drawn for row in spec["datasets"][part["data"]["name"]]]


def test_the_line_joins_the_points_that_none_exceeds_in_both():
    points = [point("slow", 100, 0.85), point("worse", 90, 0.84), point("fast", 9000, 0.6), point("fair", 900, 0.8)]
    spec = published_accuracy_chart(points).to_dict()
    lines = [part for part in parts(spec) if isinstance(part.get("mark"), dict) and part["mark"]["type"] == "line"]
    line = spec["datasets"][lines[0]["data"]["name"]]
    assert [row["model"] for row in line] == ["slow", "fair", "fast"]
    assert lines[0]["mark"]["interpolate"] == "step-before"
    assert "Line: 3 of 4 points" in subtitle(spec)


def test_the_chart_names_conditions_and_files_and_has_a_logarithmic_rate():
    spec = published_accuracy_chart([point("a", 100, 0.8)]).to_dict()
    assert spec["title"]["text"] == "Accuracy against throughput on rtx4090"
    assert "not measured here: rtx4090, eval, amp-fp16, nhwc, torch 2.4.0." in subtitle(spec)
    assert "rates.csv and results-imagenet.csv" in subtitle(spec)
    assert axis_titles(spec) == {"Images per second, inference (logarithmic)", "ImageNet top-1 accuracy"}
    scales = {encoding["x"]["scale"]["type"] for encoding in encodings(spec) if "scale" in encoding.get("x", {})}
    assert scales == {"log"}
    assert records(spec, "top1")[0]["images_per_s"] == 100


def test_of_many_points_only_those_of_the_line_have_labels():
    few = [point(f"m{i}", 100 + i, 0.5 + i / 1000) for i in range(20)]
    assert sorted(labels(published_accuracy_chart(few).to_dict())) == sorted(f"m{i}" for i in range(20))
    assert labels(published_accuracy_chart([*few, point("m20", 50, 0.4)]).to_dict()) == ["m19"]


def test_labels_have_the_image_size_where_a_model_has_several():
    points = [point("a", 100, 0.9, 384), point("a", 200, 0.8), point("b", 300, 0.7)]
    assert sorted(labels(published_accuracy_chart(points).to_dict())) == ["a, 224 px", "a, 384 px", "b"]


FALLING = st.lists(st.tuples(st.floats(0, 640), st.floats(0, 480)), min_size=1, max_size=40).map(
    lambda pairs: list(zip(sorted(x for x, _ in pairs), sorted(y for _, y in pairs), strict=True))
)


@given(FALLING, st.data())
@settings(max_examples=60)
def test_no_label_or_leader_line_of_a_falling_line_crosses_another(places, data):
    texts = [data.draw(st.sampled_from(["a", "levit_128s", "vit_mediumd_patch16_reg4_gap_384"])) for _ in places]
    own = [Label(x, y, 60.0, text) for (x, y), text in zip(places, texts, strict=True)]
    placements = place_above(own)
    boxes = label_boxes(own, placements)
    assert all(a[3] <= b[1] + 1e-6 for a, b in combinations(boxes, 2)), "each label is above those of faster points"
    for label, placed in zip(own, placements, strict=True):
        assert placed.is_shown
        assert placed.dx > label.radius
        assert placed.dy <= 0
        steps = [i / 50 for i in range(51)]
        line = [(label.x + t * placed.dx, label.y + t * placed.dy) for t in steps]
        assert not any(box[0] + 1e-6 < x and box[1] < y < box[3] for x, y in line for box in boxes)
    for box in boxes:
        covered = [label for label in own if box[0] < label.x < box[2] and box[1] < label.y < box[3]]
        assert covered == []


def test_the_labels_stay_in_the_frame():
    points = [point(f"vit_mediumd_patch16_reg4_gap_{i}", 100 * 1.1**i, 0.9 - i / 100) for i in range(25)]
    spec = published_accuracy_chart(points).to_dict()
    width = spec["width"]
    low, high = next(e["x"]["scale"]["domain"] for e in encodings(spec) if "scale" in e.get("x", {}))
    # The last label is to the right of the fastest point: 100 * 1.1^24 = 985 images per second.
    assert low < 100
    assert high > 985 * (high / low) ** (150 / width)
