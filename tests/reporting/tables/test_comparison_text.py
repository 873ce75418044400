from __future__ import annotations

from dataclasses import replace

import pytest

from archbench.reporting.tables.comparison_text import resolution_text, verdict
from archbench.store.accuracy import Accuracy
from archbench.training.comparison import Comparison
from archbench.training.resolution import Resolution

LENET = Accuracy(
    model="lenet", data="digits", input_shape="1x32x32", epochs=5, seeds=3, top1_mean=0.91, top1_std=0.01,
    top1_low=0.88, top1_high=0.93, top5_mean=0.99, params=61_706, macs=1_000_000, images_per_s=20_000.0, time_s=3.0,
    status="ok", chance_top1=0.1, chance_top5=0.5, peak_bytes=None,
)  # fmt: skip
ALEXNET = replace(LENET, model="alexnet_owt", top1_mean=0.936, macs=12_300_000)
DIFFERENCE = Comparison("lenet", "alexnet_owt", 3, 3, 360, 1, -0.026, -0.042, -0.01, 0.004, "worse")


def test_who_learns_better_is_said_with_its_interval_and_cost():
    assert verdict([LENET, ALEXNET], [DIFFERENCE]) == (
        "alexnet_owt (0.936) learns better on digits than lenet (0.910; difference +0.010 to +0.042; for 12.3× the"
        " MACs).",
        "Differences are 95% intervals: over seeds and over test images.",
    )


def test_more_for_the_cost_is_said_only_where_the_better_one_is_cheaper():
    def said(macs):
        return verdict([LENET, replace(ALEXNET, macs=macs)], [DIFFERENCE])[0]

    assert said(250_000).endswith("with 0.25× the MACs, so it gets more for its cost).")
    assert "MACs" not in said(1_000_000)
    assert "MACs" not in said(0)
    assert "more for its cost" not in said(2_000_000)


def test_one_seed_is_said_of_the_trained_networks():
    found = replace(DIFFERENCE, seeds_a=1, seeds_b=1, p_value=0.003)
    assert verdict([LENET, ALEXNET], [found]) == (
        "The network trained with one seed, alexnet_owt (0.936), did better on digits than lenet (0.910; McNemar p ="
        " 0.003; for 12.3× the MACs).",
        "One seed tells about that trained network alone; another seed may end otherwise.",
    )
    assert "McNemar p < 0.001" in verdict([LENET, ALEXNET], [replace(found, p_value=1e-9)])[0]
    assert "p is corrected for 3 pairs." in verdict([LENET, ALEXNET], [replace(found, num_pairs=3)])


def test_no_difference_is_said_of_the_evidence_and_not_of_the_models():
    found = replace(DIFFERENCE, low=-0.06, high=0.008, standing="undecided")
    assert verdict([LENET, ALEXNET], [found])[0] == (
        "No difference that 3 seeds and 360 images can show between alexnet_owt (0.936) and lenet (0.910; difference"
        " -0.008 to +0.060). alexnet_owt takes 12.3× the MACs of lenet."
    )
    assert (
        "1 seed and 1 image can show"
        in verdict([LENET, ALEXNET], [replace(found, seeds_a=1, seeds_b=1, num_images=1, p_value=1.0)])[0]
    )


def test_chance_is_no_verdict_on_the_model():
    stuck = replace(LENET, model="vgg16", top1_mean=0.103, top1_low=0.09, status="chance")
    against = replace(DIFFERENCE, a="vgg16")
    (said,) = verdict([stuck, ALEXNET], [against])
    assert said.startswith("vgg16 is stuck at chance (top-1 0.103, guessing gives 0.100)")
    assert "no verdict on the architecture" in said
    assert "alexnet" not in said


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("diverged", "lenet diverged: its loss is no finite number any more, so there is no accuracy to compare."),
        ("interrupted", "lenet was interrupted and is not compared."),
        ("failed", "lenet failed and is not compared."),
    ],
)
def test_what_did_not_end_is_not_compared(status, said):
    lost = replace(LENET, status=status, top1_mean=None)
    assert verdict([lost, ALEXNET], [DIFFERENCE]) == (said,)
    assert verdict([lost], []) == (said,)


@pytest.mark.parametrize(
    ("status", "began"),
    [("diverged", "lenet diverged"), ("interrupted", "lenet was interrupted"), ("failed", "lenet failed")],
)
def test_an_accuracy_of_some_seeds_is_said_to_be_theirs(status, began):
    lost = replace(LENET, status=status, seeds=2)
    assert verdict([lost, ALEXNET], []) == (
        f"{began}, but not with all seeds: its accuracy is of 2 seeds, and is not compared.",
    )


def test_a_single_model_has_no_verdict():
    assert verdict([LENET], []) == ()


def test_several_models_are_said_from_the_best_down():
    vgg = replace(LENET, model="vgg11", top1_mean=0.95, macs=1_000_000)
    found = [
        replace(DIFFERENCE, num_pairs=3),
        replace(DIFFERENCE, b="vgg11", num_pairs=3),
        replace(DIFFERENCE, a="alexnet_owt", b="vgg11", low=-0.03, high=0.01, num_pairs=3, standing="undecided"),
    ]
    best, tie, second, note = verdict([LENET, ALEXNET, vgg], found)
    assert best == "vgg11 (0.950) learns better on digits than lenet (0.910; difference +0.010 to +0.042)."
    assert tie.startswith("No difference that 3 seeds and 360 images can show between vgg11 (0.950) and alexnet_owt")
    assert second.startswith("alexnet_owt (0.936) learns better on digits than lenet")
    assert note == "Differences are 95% intervals, corrected for 3 pairs: over seeds and over test images."
    found[2] = replace(found[2], standing="worse")
    assert "than alexnet_owt (0.936; " in verdict([LENET, ALEXNET, vgg], found)[0]
    assert " and lenet (0.910; " in verdict([LENET, ALEXNET, vgg], found)[0]


def test_the_number_of_seeds_that_small_differences_need_is_stated():
    known = Resolution(360, 0.012, 0.021, is_assumed=False, seeds={0.01: None, 0.02: 12})
    assert verdict([LENET, ALEXNET], [DIFFERENCE], known)[-1] == (
        "With a spread of 1.2 points over seeds, and of 2.1 by the choice of test images, a difference of 1 point"
        " cannot be shown on 360 images; one of 2 points needs 12 seeds per model."
    )
    assert resolution_text(replace(known, is_assumed=True)).startswith("Assuming a spread of 1.2 points")


def test_a_model_that_learned_with_some_seeds_alone_is_not_called_stuck():
    some = replace(LENET, model="vgg16", top1_mean=0.4, top1_low=0.2, status="chance")
    assert verdict([some, ALEXNET], []) == (
        "vgg16 ended at chance with some of its seeds and learned with others (top-1 0.400 on average), and is not"
        " compared.",
    )
