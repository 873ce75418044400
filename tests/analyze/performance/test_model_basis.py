from __future__ import annotations

from math import hypot, log

import pytest
import torch
from torch import nn

from archbench.analyze.performance.estimate import rate
from archbench.analyze.performance.model_basis import basis_of_model
from archbench.analyze.performance.rate_basis import given_basis, joined, rate_basis
from archbench.analyze.performance.roofline import Conditions
from archbench.hardware.find import find_device
from archbench.hardware.fit.tables import intervals
from archbench.precision import find_precision
from archbench.trace.tracer import trace


def basis(**changes):
    settings = {"mode": "eval", "dtype": "amp", "layout": "nhwc", "is_compiled": False} | changes
    return rate_basis(find_device("rtx3090"), **settings)


class Classifier(nn.Module):
    """Attention over the rows of an image, and scores."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Linear(16, 16)
        self.scores = nn.Linear(16, 10)

    def forward(self, x):
        x = self.scale(x)
        return self.scores(nn.functional.scaled_dot_product_attention(x, x, x)[:, 0, 0])


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.LSTM(16, 10)

    def forward(self, x):
        return self.layer(x.mean(1))[0][:, 0]


def traced(model, shape=(32, 3, 16, 16), mode="eval"):
    return trace(model, torch.empty(shape), mode=mode, device_kind="cuda")


def of_model(known, record, *, is_gpu=True):
    return basis_of_model(known, record, is_gpu=is_gpu)


def test_an_image_classifier_in_inference_has_the_interval_of_the_device():
    assert of_model(basis(), traced(Classifier())) == basis()


def test_fused_attention_in_training_widens_the_interval():
    # Independent errors: the squares of the logarithms of the factors add up.
    known = basis(mode="train")
    found = of_model(known, traced(Classifier(), mode="train"))
    assert log(found.factor) == pytest.approx(hypot(log(known.factor), log(1.25)))
    assert found.evidence.unseen == ("fused attention in training",)
    assert found.coefficients == known.coefficients


def test_recurrent_layers_widen_the_interval():
    found = of_model(basis(), traced(Recurrent()))
    assert log(found.factor) == pytest.approx(hypot(log(basis().factor), log(2)))
    assert found.evidence.unseen == ("small recurrent layers",)


@pytest.mark.parametrize(
    ("model", "shape"),
    [(nn.Conv2d(3, 4, 3), (32, 3, 16, 16)), (nn.Linear(16, 10), (32, 16)), (nn.LSTM(4, 4), (9, 32, 4))],
)
def test_a_model_that_is_not_an_image_classifier_has_no_rates(model, shape):
    found = of_model(basis(dtype="fp32"), traced(model, shape))
    # After what the settings lack, in one list.
    assert found.evidence.unseen[:2] == ("fp32", "models other than image classifiers")
    assert found.factor > basis(dtype="fp32").factor


def test_a_given_efficiency_has_no_interval_to_widen():
    assert of_model(given_basis(0.8), traced(nn.Linear(16, 10), (2, 16))) == given_basis(0.8)


@pytest.mark.parametrize(
    ("batch", "is_gpu", "rare"), [(31, True, ("batches below 32",)), (32, True, ()), (1, False, ())]
)
def test_of_small_batches_on_a_gpu_few_rates_are_known(batch, is_gpu, rare):
    found = of_model(basis(), traced(Classifier(), (batch, 3, 16, 16)), is_gpu=is_gpu)
    assert found.evidence.rare == rare
    expected = joined(basis().factor, intervals()["small batches"].factor) if rare else basis().factor
    assert found.factor == pytest.approx(expected)


def test_both_ends_of_the_interval_allow_for_a_small_batch():
    device, precision = find_device("rtx3090"), find_precision("amp")
    widths = []
    for batch in (8, 64):
        # Wide enough that no host holds the low end back.
        record = traced(nn.Sequential(nn.Flatten(), nn.Linear(3 * 256**2, 4096)), (batch, 3, 256, 256))
        known = of_model(basis(), record)
        found = rate(record, Conditions(device, precision, known.coefficients, "nhwc"), known)
        widths.append((found.images_per_s / found.images_per_s_low, found.images_per_s_high / found.images_per_s))
    assert widths[0] == pytest.approx((joined(basis().factor, intervals()["small batches"].factor),) * 2)
    assert widths[1] == pytest.approx((basis().factor,) * 2)
