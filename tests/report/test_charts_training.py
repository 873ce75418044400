"""Charts of a training run: curves, time to accuracy, accuracy against MACs."""

from __future__ import annotations

import json
from math import inf, log, nan
from statistics import fmean

import pytest

from archbench.report.charts.accuracy import measured_accuracy_chart
from archbench.report.charts.elapsed import elapsed_chart, times_to
from archbench.report.charts.save import to_svg
from archbench.report.charts.training import curves, training_chart
from tests.report.chart_specs import accuracy, axis_titles, encodings, epoch, parts, records, subtitle

SAID = {"data": "digits, not CIFAR", "num_classes": 10}

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
    assert "digits, not CIFAR" in spec["title"]["text"]
    assert "Mean of 3 seeds" in subtitle(spec)


def test_chance_is_marked_in_the_loss_and_in_the_accuracy():
    spec = training_chart(RUN, **SAID).to_dict()
    levels = {row["level"] for rows in spec["datasets"].values() for row in rows if "level" in row}
    assert levels == {log(10), 0.1}


def test_a_loss_that_is_not_finite_leaves_a_gap_and_a_huge_one_is_cut():
    run = [*RUN, epoch("alexnet", 0, 4, loss=nan), epoch("alexnet", 1, 4, loss=inf), epoch("alexnet", 2, 4, loss=1e9)]
    spec = training_chart(run, **SAID).to_dict()
    json.dumps(spec, allow_nan=False)
    fourth = [row for rows in spec["datasets"].values() for row in rows if row.get("epoch") == 4]
    assert {row["field"]: row["seeds"] for row in fourth} == {
        "train_loss": 1,
        "validation_loss": 1,
        "validation_top1": 3,
    }
    tops = [
        encoding["y"]["scale"]["domain"][1]
        for encoding in encodings(spec)
        if "domain" in (encoding.get("y", {}).get("scale") or {})
    ]
    assert max(tops) == pytest.approx(2 * log(10) * 1.05)


def test_one_seed_has_no_spread_to_speak_of():
    spec = training_chart([epoch("lenet", 0, 1)], **SAID).to_dict()
    assert subtitle(spec).startswith("One seed.")


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
    spec = elapsed_chart(RUN, **SAID).to_dict()
    assert {row["threshold"] for row in records(spec, "threshold")} == {0.6}
    assert [row["time_s"] for row in records(spec, "threshold")] == [4.0, 6.0]
    assert "digits, not CIFAR" in spec["title"]["text"]
    assert axis_titles(spec) == {"Time of training steps (logarithmic)", "Validation accuracy, top-1"}


def test_thresholds_can_be_asked_for_and_who_missed_them_is_named():
    spec = elapsed_chart(RUN, **SAID, thresholds=[0.605, 0.8]).to_dict()
    assert [(row["model"], row["threshold"]) for row in records(spec, "threshold")] == [
        ("lenet", 0.605),
        ("alexnet", 0.605),
        ("lenet", 0.8),
    ]
    assert "2 of 3 seeds" in records(spec, "threshold")[1]["said"]
    assert "at 80.0% or above; not reached by alexnet" in subtitle(spec)


def test_a_run_that_never_left_chance_has_no_threshold():
    spec = elapsed_chart([epoch("vgg16", 0, 1, top1=0.1)], **SAID).to_dict()
    assert not any("threshold" in row for rows in spec["datasets"].values() for row in rows)


def test_a_run_in_which_no_time_was_counted_is_drawn_all_the_same():
    spec = elapsed_chart([epoch("lenet", 0, 1, top1=0.9, elapsed_s=0.0)], **SAID).to_dict()
    assert "<svg" in to_svg(spec)
    assert not any("threshold" in row for rows in spec["datasets"].values() for row in rows)


def test_the_mean_is_of_epochs_that_all_seeds_have():
    run = [epoch("lenet", 0, 1, elapsed_s=1.0), epoch("lenet", 1, 1, elapsed_s=3.0), epoch("lenet", 0, 2)]
    spec = elapsed_chart(run, **SAID).to_dict()
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


@pytest.mark.parametrize(("top1", "is_drawn"), [(0.12, True), (0.95, False)])
def test_the_line_of_chance_is_drawn_where_a_model_is_near_it(top1, is_drawn):
    spec = measured_accuracy_chart([accuracy("lenet", top1)], data="digits").to_dict()
    drawn = [row for rows in spec["datasets"].values() for row in rows if "level" in row]
    assert bool(drawn) is is_drawn


def test_no_data_is_anywhere_else():
    for chart in (training_chart(RUN, **SAID), elapsed_chart(RUN, **SAID)):
        spec = chart.to_dict()
        assert all("url" not in (part.get("data") or {}) for part in parts(spec))
