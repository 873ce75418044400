from __future__ import annotations

import pytest

from archbench.analyze.performance.rate_evidence import Evidence, merged, phrase


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (
            Evidence("own rates", models=1312, families=24),
            "90% interval from 1,312 models of 24 families on this device",
        ),
        (
            Evidence("own rates", models=3, families=2, torch="1.12"),
            "90% interval from 3 models of 2 families on this device, torch 1.12",
        ),
        (
            Evidence("own rates of another form", lacking="nhwc", layout="nchw"),
            "no published nhwc rates for this device: 90% interval from other devices and its nchw rates",
        ),
        (Evidence("other devices"), "no published rates for this device: 90% interval from other devices"),
        (
            Evidence("other devices", lacking="training", card="data-center card"),
            "no published training rates for this device: 90% interval from other devices, "
            "widened for a data-center card",
        ),
        (Evidence("another CPU"), "no published rates for this CPU: 90% interval from another one"),
        (Evidence("efficiency", efficiency=0.8), "efficiency 0.8 as given, without an interval"),
    ],
)
def test_the_phrase_says_how_an_interval_is_known(evidence, expected):
    assert phrase(evidence) == expected


def test_the_phrase_says_what_widens_an_interval_and_what_corrects_it():
    known = Evidence("another CPU", unseen=("training", "fp16", "eager runs"), rare=("batches below 32",))
    source = "no published rates for this CPU: 90% interval from another one"
    wider = "wider: no rates for training, fp16 and eager runs, few rates for batches below 32"
    assert phrase(known) == f"{source}; {wider}"


def test_the_phrase_says_by_which_rates_a_prediction_is_corrected():
    single, several = Evidence("another CPU", corrections=1), Evidence("another CPU", corrections=3, measured_in="eval")
    assert phrase(single).endswith("; corrected by 1 rate measured here")
    assert phrase(several).endswith("; corrected by 3 rates measured here (eval)")


def test_merged_evidence_says_once_what_any_of_it_lacks():
    several = [
        Evidence("other devices", unseen=("fp32",)),
        Evidence("other devices", unseen=("fp32", "training"), rare=("batches below 32",)),
    ]
    assert merged(several) == Evidence("other devices", unseen=("fp32", "training"), rare=("batches below 32",))
