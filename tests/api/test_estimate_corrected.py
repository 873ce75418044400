"""Predictions for a device on which models were measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

import archbench
from archbench.analyze.performance.rate_basis import joined
from archbench.hardware.device import MeasuredRate
from archbench.hardware.find import find_device

# Not a published device, so its ceilings stand for themselves. The rates of models are those of its prediction, times:
RATIOS = {"lenet": 0.5, "alexnet": 0.4, "zfnet": 0.5}
BATCH = 64
MEASURED = {"batch": BATCH, "dtype": "amp-fp16", "layout": "nhwc"}
CARD = replace(find_device("rtx4080"), name="this_cuda", is_measured=True)


def predicted(device=CARD, model="lenet", **changes):
    (row,) = archbench.estimate(model, device, **MEASURED | changes).rows
    return row


@pytest.fixture(scope="module")
def measured():
    rates = {model: ratio * predicted(model=model).images_per_s for model, ratio in RATIOS.items()}
    return replace(
        CARD,
        measured_rates=tuple(
            MeasuredRate(model, "eval", "amp-fp16", "nhwc", BATCH, rate) for model, rate in rates.items()
        ),
    )


def factor(row):
    return row.images_per_s_high / row.images_per_s


def test_runs_such_as_were_measured_are_corrected_by_the_median_ratio(measured):
    corrected = predicted(measured)
    assert corrected.images_per_s == pytest.approx(0.5 * predicted().images_per_s)
    # The ratios differ by up to 0.5 / 0.4 = 1.25, which the interval holds anyway.
    assert factor(predicted()) > 1.25
    assert factor(corrected) == pytest.approx(factor(predicted()))
    text = " ".join(str(archbench.estimate("lenet", measured, **MEASURED)).split())
    assert text.endswith("; corrected by 3 rates measured here.")


def test_rates_in_another_kind_of_half_precision_are_of_the_same_runs(measured):
    assert factor(predicted(measured, dtype="bf16")) == pytest.approx(factor(predicted(dtype="bf16")))


@pytest.mark.parametrize("changes", [{"compile": True}, {"layout": "nchw"}, {"dtype": "fp32"}, {"mode": "train"}])
def test_other_runs_are_corrected_too_but_their_interval_is_wider_by_the_bias(measured, changes):
    plain, corrected = predicted(**changes), predicted(measured, **changes)
    assert corrected.images_per_s == pytest.approx(0.5 * plain.images_per_s)
    assert factor(corrected) == pytest.approx(joined(factor(plain), 2))
    text = " ".join(str(archbench.estimate("lenet", measured, **MEASURED | changes)).split())
    assert "; corrected by 3 rates measured here (eval, half precision, nhwc, eager)." in text


def test_a_single_measured_rate_corrects(measured):
    single = replace(measured, measured_rates=measured.measured_rates[:1])
    assert predicted(single).images_per_s == pytest.approx(0.5 * predicted().images_per_s)
    assert "corrected by 1 rate measured here" in " ".join(str(archbench.estimate("lenet", single, **MEASURED)).split())
