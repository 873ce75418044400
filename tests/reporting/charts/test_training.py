"""Charts of a training run: curves, time to accuracy, accuracy against MACs."""

from __future__ import annotations

import json
from math import inf, log, nan
from pathlib import Path
from statistics import fmean

import pytest

from archbench.reporting.charts.accuracy import measured_accuracy_chart
from archbench.reporting.charts.save import to_svg
from archbench.reporting.charts.thresholds import times_to
from archbench.reporting.charts.time_to_accuracy import time_to_accuracy_chart
from archbench.reporting.charts.training import curves, training_chart
from archbench.reporting.drawings.canvas import text_width
from archbench.store.accuracy import Accuracy
from archbench.training.records import Chance
from archbench.training.run_dir.load import read_rows
from tests.helpers.chart_specs import accuracy, axis_titles, encodings, epoch, parts, records, subtitle

SAID = {"data": "digits, not CIFAR", "chance": Chance(log(10), 0.1)}

RUN = [
    epoch(model, seed, number, loss=2.0 / number + 0.1 * seed, top1=min(0.99, top1 * number + 0.01 * seed))
    for model, top1 in (("lenet", 0.3), ("alexnet", 0.2))
    for seed in range(3)
    for number in (1, 2, 3)
]


def test_curves_are_the_mean_with_the_lowest_and_the_highest_seed():
    (found,) = [
        row for row in curves(RUN) if (row["model"], row["epoch"], row["field"]) == ("lenet", 2, "validation_top1")
    ]
    # 0.3 * 2, and 0.01 more for each next seed
    assert (found["mean"], found["low"], found["high"]) == pytest.approx((0.61, 0.60, 0.62))
    assert found["seeds"] == 3


def test_training_shows_three_figures_of_each_model_and_epoch():
    spec = training_chart(RUN, **SAID).to_dict()
    drawn = [row for rows in spec["datasets"].values() for row in rows if "field" in row]
    assert len(drawn) == 2 * 3 * 3  # models, epochs, figures
    assert axis_titles(spec) == {"Epoch", "Training loss", "Validation loss", "Validation accuracy, top-1"}
    # lenet ends at 0.3 * 3 and 0.01 more for each next seed, alexnet at 0.2 * 3
    assert spec["title"]["text"] == "lenet ends at 91.0% validation accuracy, the highest of 2 models"
    assert "Mean of 3 seeds" in subtitle(spec)
    assert "Trained on digits, not CIFAR. Guessing gives loss 2.303 and accuracy 10.0%." in subtitle(spec)


@pytest.mark.parametrize(("last", "ticks"), [(3, [1, 2, 3]), (10, list(range(1, 11))), (12, [2, 4, 6, 8, 10, 12])])
def test_ticks_are_at_whole_epochs(last, ticks):
    spec = training_chart([epoch("lenet", 0, number) for number in range(1, last + 1)], **SAID).to_dict()
    axes = [each["x"]["axis"]["values"] for each in encodings(spec) if "axis" in each.get("x", {})]
    assert axes
    assert all(axis == ticks for axis in axes)


def levels(spec):
    return {row["level"]: row.get("text") for rows in spec["datasets"].values() for row in rows if "level" in row}


def drawn(spec, kind):
    """Return the rows of every layer that is drawn with a kind of mark."""
    found = []
    for part in parts(spec):
        if isinstance(part.get("mark"), dict) and part["mark"]["type"] == kind:
            found += spec["datasets"].get((part.get("data") or {}).get("name"), [])
    return found


def test_chance_is_marked_in_the_loss_and_in_the_accuracy():
    assert levels(training_chart(RUN, **SAID).to_dict()) == {log(10): "chance 2.303", 0.1: "chance 10.0%"}


def test_chance_is_that_of_the_classes_shares():
    # Nine tenths in one of two classes: guessing it is right in 90%; the entropy is -(0.9 ln 0.9 + 0.1 ln 0.1).
    unequal = {**SAID, "chance": Chance(0.325, 0.9)}
    assert levels(training_chart(RUN, **unequal).to_dict()) == {0.325: "chance 0.325", 0.9: "chance 90.0%"}
    spec = time_to_accuracy_chart(RUN, **unequal).to_dict()
    assert levels(spec)[0.9] == "chance 90.0%"
    # lenet ends at 90 to 92%, which is no learning there.
    assert "no threshold reached" in subtitle(spec)


def test_a_chance_that_is_not_known_is_left_out():
    unknown = {**SAID, "chance": Chance(None, None)}
    assert levels(training_chart(RUN, **unknown).to_dict()) == {}
    assert levels(time_to_accuracy_chart(RUN, **unknown).to_dict()) == {0.6: None}


def test_the_mean_ends_where_a_seed_is_missing_or_not_finite():
    run = [*RUN, *(epoch("lenet", seed, 4, top1=0.99) for seed in (0, 2))]
    run += [epoch("alexnet", 0, 4, loss=nan), epoch("alexnet", 1, 4, loss=inf), epoch("alexnet", 2, 4, loss=1e9)]
    fourth = [(row["model"], row["field"], row["seeds"]) for row in curves(run) if row["epoch"] == 4]
    assert fourth == [("alexnet", "validation_top1", 3)]
    spec = training_chart(run, **SAID).to_dict()
    json.dumps(spec, allow_nan=False)
    assert "Not drawn of alexnet and lenet: what is not there, or not finite, with every seed." in subtitle(spec)
    assert "Not drawn" not in subtitle(training_chart(RUN, **SAID).to_dict())


def test_a_huge_loss_is_cut_and_that_is_said():
    run = [*RUN, *(epoch("alexnet", seed, 4, loss=1e9) for seed in range(3))]
    spec = training_chart(run, **SAID).to_dict()
    tops = [
        encoding["y"]["scale"]["domain"][1]
        for encoding in encodings(spec)
        if "domain" in (encoding.get("y", {}).get("scale") or {})
    ]
    assert max(tops) == pytest.approx(2 * log(10) * 1.05)
    # 2 ln 10 * 1.05 = 4.8354
    assert "Losses above 4.835 are cut." in subtitle(spec)
    assert "cut" not in subtitle(training_chart(RUN, **SAID).to_dict())


def test_one_seed_has_no_spread_to_speak_of():
    spec = training_chart([epoch("lenet", 0, 1)], **SAID).to_dict()
    assert subtitle(spec).startswith("One seed.")


def test_a_single_epoch_has_shapes_and_bars_in_place_of_dashes_and_bands():
    run = [row for row in RUN if row.epoch == 1]
    spec = training_chart(run, **SAID).to_dict()
    assert "Mean of 3 seeds, bars from lowest to highest." in subtitle(spec)
    assert drawn(spec, "line") == drawn(spec, "area") == []
    bars = [(row["model"], row["low"], row["high"]) for row in drawn(spec, "rule") if row.get("field") == "train_loss"]
    # 2 after the first epoch, and 0.1 more for each next seed
    assert bars == [("alexnet", 2.0, 2.2), ("lenet", 2.0, 2.2)]
    shapes = [encoding["shape"] for encoding in encodings(spec) if "shape" in encoding]
    assert len(shapes) == 3
    assert all(first != second for first, second in (shape["scale"]["range"] for shape in shapes))
    assert all(shape["legend"] for shape in shapes)
    assert to_svg(spec).count('aria-roledescription="point"') == 3 * 2


def test_models_differ_in_dashes_too():
    ranges = [
        encoding["strokeDash"]["scale"]["range"]
        for encoding in encodings(training_chart(RUN, **SAID).to_dict())
        if "strokeDash" in encoding
    ]
    assert all(first != second for first, second in ranges)


def test_a_threshold_is_reached_at_the_end_of_the_first_epoch_above_it():
    (lenet, alexnet) = times_to(RUN, 0.6)
    # lenet is at 0.60, 0.61, 0.62 after its second epoch, 4 s; alexnet at 0.60 and more after its third, 6 s.
    assert (lenet.model, lenet.time_s, lenet.reached_seeds) == ("lenet", 4.0, 3)
    assert (alexnet.model, alexnet.time_s, alexnet.low_s, alexnet.high_s) == ("alexnet", 6.0, 6.0, 6.0)
    # Of alexnet's seeds 0.60, 0.61 and 0.62 two come above 0.605.
    assert times_to(RUN, 0.605)[1].reached_seeds == 2
    assert [reached.model for reached in times_to(RUN, 0.7)] == ["lenet"]


def test_the_threshold_is_the_highest_that_most_models_reached():
    spec = time_to_accuracy_chart(RUN, **SAID).to_dict()
    assert {row["threshold"] for row in records(spec, "threshold")} == {0.6}
    assert {row["model"]: row["time_s"] for row in records(spec, "threshold")} == {"lenet": 4.0, "alexnet": 6.0}
    assert spec["title"]["text"] == "lenet reaches 60.0% after 4.00 s, first of 2 models"
    assert "digits, not CIFAR; chance 10.0%" in subtitle(spec)
    assert axis_titles(spec) == {"Time of training steps (logarithmic)", "Validation accuracy, top-1"}


def test_thresholds_can_be_asked_for_and_who_missed_them_is_named():
    spec = time_to_accuracy_chart(RUN, **SAID, thresholds=[0.605, 0.8]).to_dict()
    said = {(row["model"], row["threshold"]): row["label"] for row in records(spec, "threshold")}
    assert said.keys() == {("lenet", 0.605), ("alexnet", 0.605), ("lenet", 0.8)}
    assert "2 of 3 seeds" in said["alexnet", 0.605]
    assert "at 80.0% or above; not reached by alexnet" in subtitle(spec)


def test_a_run_that_never_left_chance_has_no_threshold():
    spec = time_to_accuracy_chart([epoch("vgg16", 0, 1, top1=0.1)], **SAID).to_dict()
    assert not any("threshold" in row for rows in spec["datasets"].values() for row in rows)
    assert "Marks: no threshold reached." in subtitle(spec)


def test_a_short_run_is_marked_at_the_highest_ten_that_most_models_reached():
    # Of 20 and 30%, which are above a chance of 10%, both models reached 30.
    run = [epoch("lenet", 0, 1, top1=0.37), epoch("zfnet", 0, 1, top1=0.34), epoch("zfnet", 0, 2, top1=0.45)]
    assert {row["threshold"] for row in records(time_to_accuracy_chart(run, **SAID).to_dict(), "threshold")} == {0.3}


def test_the_only_epoch_of_a_run_is_seen_in_the_time_it_took():
    run = [epoch("lenet", seed, 1, top1=0.3 + 0.01 * seed) for seed in (0, 1)]
    spec = time_to_accuracy_chart(run, **SAID, thresholds=[0.9]).to_dict()
    assert sorted(row["top1"] for row in drawn(spec, "point")) == pytest.approx([0.3, 0.305, 0.31])
    assert to_svg(spec).count('aria-roledescription="point"') == 3


def rows_of_times(spec):
    """Return the names on the vertical axis of each panel of rows, from the top."""
    panels = spec["vconcat"][1:]
    return [next(each["y"]["scale"]["domain"] for each in encodings(panel) if "y" in each) for panel in panels]


def test_times_that_are_close_are_written_in_rows():
    run = [epoch(f"net{i}", 0, 1, top1=0.55, elapsed_s=100.0 + 4 * i) for i in range(4)] + [epoch("slow", 0, 1)]
    spec = time_to_accuracy_chart(run, **SAID, width=640, height=380).to_dict()
    # slow took 2 s, and has reached 50% as well
    assert rows_of_times(spec) == [["slow", "net0", "net1", "net2", "net3"]]
    low, high = next(each["x"]["scale"]["domain"] for each in encodings(spec) if "scale" in each.get("x", {}))
    for row in records(spec, "threshold"):
        x = 640 * log(row["end_s"] / low) / log(high / low)
        length = 10 + text_width(row["label"], 12)
        assert (x if row["align"] == "left" else x - length) >= 0
        assert (x + length if row["align"] == "left" else x) <= 640


def test_a_model_that_missed_a_threshold_has_a_row_that_says_so():
    spec = time_to_accuracy_chart(RUN, **SAID, thresholds=[0.605, 0.8]).to_dict()
    assert rows_of_times(spec) == [["lenet", "alexnet"], ["lenet", "alexnet"]]
    missed = [row for rows in spec["datasets"].values() for row in rows if "missed" in row]
    assert missed == [{"name": "alexnet", "missed": "not reached"}]


@pytest.mark.parametrize(
    ("top1", "domain"),
    # 0.02 apart: 0.15 of that is the room at both ends. Chance, 0.1, is 0.2 below: farther than the values are apart.
    [((0.30, 0.32), (0.297, 0.323)), ((0.11, 0.31), (0.0685, 0.3415))],
)
def test_accuracies_of_one_epoch_fill_their_axis(top1, domain):
    run = [epoch(model, 0, 1, top1=value) for model, value in zip(("lenet", "zfnet"), top1, strict=True)]
    spec = training_chart(run, **SAID).to_dict()
    scales = [each["y"]["scale"] for each in encodings(spec["vconcat"][1]) if "scale" in each.get("y", {})]
    assert [scale["domain"] for scale in scales] == [pytest.approx(domain)]
    assert not any(scale["zero"] for scale in scales)


def test_the_plots_of_losses_end_where_that_of_accuracies_does():
    losses, accuracies = training_chart(RUN, **SAID).to_dict()["vconcat"]
    widths = [panel["width"] for panel in losses["hconcat"]]
    assert (sum(widths) + losses["spacing"], losses["bounds"]) == (accuracies["width"], "flush")


def test_a_run_in_which_no_time_was_counted_is_drawn_all_the_same():
    spec = time_to_accuracy_chart([epoch("lenet", 0, 1, top1=0.9, elapsed_s=0.0)], **SAID).to_dict()
    assert "<svg" in to_svg(spec)
    assert not any("threshold" in row for rows in spec["datasets"].values() for row in rows)


def test_the_mean_is_of_epochs_that_all_seeds_have():
    run = [epoch("lenet", 0, 1, elapsed_s=1.0), epoch("lenet", 1, 1, elapsed_s=3.0), epoch("lenet", 0, 2)]
    spec = time_to_accuracy_chart(run, **SAID).to_dict()
    means = [row for rows in spec["datasets"].values() for row in rows if "epoch" in row]
    assert [(row["epoch"], row["elapsed_s"]) for row in means] == [(1, fmean([1.0, 3.0]))]


def test_accuracy_has_intervals_and_names_models_without_one():
    rows = [accuracy("lenet", 0.95, low=0.94, high=0.96), accuracy("vgg16", None, status="diverged")]
    spec = measured_accuracy_chart(rows, data="digits, not CIFAR").to_dict()
    (drawn,) = records(spec, "top1_mean")
    assert (drawn["model"], drawn["top1_mean"], drawn["low"], drawn["high"]) == ("lenet", 0.95, 0.94, 0.96)
    assert drawn["origin"] == "measured"
    said = subtitle(spec)
    assert "Measured on digits, not CIFAR; mean of 3 seeds, 95% interval; chance 10.0%" in said
    assert "vgg16 (diverged)" in said
    assert axis_titles(spec) == {"Computation of one image (MACs)", "Test accuracy, top-1"}


def test_a_status_that_is_not_ok_stands_behind_the_name():
    rows = [accuracy("lenet", 0.95), accuracy("vgg16", 0.9, status="diverged"), accuracy("zfnet", 0.1, status="chance")]
    spec = measured_accuracy_chart(rows, data="digits").to_dict()
    drawn = records(spec, "label")
    assert [row["label"] for row in drawn] == ["lenet", "vgg16 (diverged)", "zfnet (chance)"]
    assert [row["model"] for row in drawn] == ["lenet", "vgg16", "zfnet"]
    assert {encoding["text"]["field"] for encoding in encodings(spec) if "text" in encoding} == {"label", "text"}


def test_names_cover_no_interval_and_stay_in_the_picture():
    rows = read_rows(Path(__file__).with_name("five_accuracies.csv"), Accuracy)
    spec = measured_accuracy_chart(rows, data="CIFAR-10").to_dict()
    width, height = spec["width"], spec["height"]
    (low, high), (bottom, top) = scales(spec)
    drawn = records(spec, "label")
    bars = []
    for row in drawn:
        x = width * log(row["macs"] / low) / log(high / low)
        y = [height * (top - row[name]) / (top - bottom) for name in ("high", "low", "top1_mean")]
        bars.append((x - 4.5, y[0], x + 4.5, y[1]))
        row["x"], row["y"] = x + row["dx"], y[2] + row["dy"]
    for row in drawn:
        length = 6.0 * len(row["label"])  # of 12 pixels, an average letter takes half
        left = row["x"] - {"left": 0, "center": length / 2, "right": length}[row["align"]]
        assert 0 <= left < left + length <= width
        assert not any(
            left < bar[2] and bar[0] < left + length and bar[1] < row["y"] + 5 and row["y"] - 5 < bar[3] for bar in bars
        )


def scales(spec):
    """Return the bounds of MACs and of accuracies."""
    encoding = next(each for each in encodings(spec) if "scale" in each.get("y", {}))
    return [encoding[channel]["scale"]["domain"] for channel in ("x", "y")]


@pytest.mark.parametrize(("top1", "is_drawn"), [(0.12, True), (0.95, False)])
def test_the_line_of_chance_is_drawn_where_a_model_is_near_it(top1, is_drawn):
    spec = measured_accuracy_chart([accuracy("lenet", top1)], data="digits").to_dict()
    drawn = [row for rows in spec["datasets"].values() for row in rows if "level" in row]
    assert bool(drawn) is is_drawn


def test_arguments_are_left_out_of_names_that_differ_without_them():
    rows = [accuracy("vgg16_bn?size=32&head=small", 0.9), accuracy("lenet", 0.8), accuracy("lenet?classes=10", 0.7)]
    drawn = records(measured_accuracy_chart(rows, data="digits").to_dict(), "label")
    assert [row["label"] for row in drawn] == ["vgg16_bn", "lenet", "lenet?classes=10"]


@pytest.mark.parametrize(("high", "said"), [(0.84, ""), (0.86, ", within the intervals of others")])
def test_the_title_of_accuracy_says_whether_the_best_is_apart(high, said):
    rows = [accuracy("a", 0.9, low=0.85, high=0.95), accuracy("b", 0.8, low=0.75, high=high)]
    spec = measured_accuracy_chart(rows, data="digits").to_dict()
    assert spec["title"]["text"] == f"Highest test accuracy: a, 90.0%{said}"


def test_a_single_model_has_a_decade_of_macs_and_no_legend_of_areas():
    spec = measured_accuracy_chart([accuracy("lenet", 0.9, macs=416_520)], data="digits").to_dict()
    (low, high), _ = scales(spec)
    assert high / low == pytest.approx(10)
    assert [each["size"]["legend"] for each in encodings(spec) if "size" in each] == [None]
    assert "Area" not in subtitle(spec)


def test_models_have_the_same_colours_in_every_chart_of_a_run():
    rows = [accuracy("lenet", 0.9), accuracy("alexnet", 0.8)]
    specs = [training_chart(RUN, **SAID), time_to_accuracy_chart(RUN, **SAID), measured_accuracy_chart(rows, data="d")]
    found = {
        json.dumps(each[channel]["scale"])
        for spec in specs
        for each in encodings(spec.to_dict())
        for channel in ("color", "fill")
        if channel in each
    }
    assert len(found) == 1


def test_no_data_is_anywhere_else():
    for chart in (training_chart(RUN, **SAID), time_to_accuracy_chart(RUN, **SAID)):
        spec = chart.to_dict()
        assert all("url" not in (part.get("data") or {}) for part in parts(spec))
