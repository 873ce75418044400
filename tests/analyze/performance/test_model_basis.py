from __future__ import annotations

from math import hypot, log

import pytest
import torch
from torch import nn

from archbench.analyze.performance.model_basis import basis_of_model
from archbench.analyze.performance.rate_basis import given_basis, rate_basis
from archbench.hardware.find import find_device
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


def traced(model, shape=(2, 3, 16, 16), mode="eval"):
    return trace(model, torch.empty(shape), mode=mode, device_kind="cuda")


def test_an_image_classifier_in_inference_has_the_interval_of_the_device():
    assert basis_of_model(basis(), traced(Classifier())) == basis()


def test_fused_attention_in_training_widens_the_interval():
    # Independent errors: the squares of the logarithms of the factors add up.
    known = basis(mode="train")
    found = basis_of_model(known, traced(Classifier(), mode="train"))
    assert log(found.factor) == pytest.approx(hypot(log(known.factor), log(1.25)))
    assert found.source == f"{known.source}; wider: no rates of fused attention in training"
    assert found.coefficients == known.coefficients


def test_recurrent_layers_widen_the_interval():
    found = basis_of_model(basis(), traced(Recurrent()))
    assert log(found.factor) == pytest.approx(hypot(log(basis().factor), log(2)))
    assert found.source.endswith("; wider: no rates of small recurrent layers")


@pytest.mark.parametrize(
    ("model", "shape"), [(nn.Conv2d(3, 4, 3), (2, 3, 16, 16)), (nn.Linear(16, 10), (2, 16)), (nn.LSTM(4, 4), (9, 2, 4))]
)
def test_a_model_that_is_not_an_image_classifier_has_no_rates(model, shape):
    found = basis_of_model(basis(dtype="fp32"), traced(model, shape))
    # After what the settings lack, in one list.
    assert "; wider: no rates of fp32" in found.source
    assert "models other than image classifiers" in found.source
    assert found.factor > basis(dtype="fp32").factor


def test_a_given_efficiency_has_no_interval_to_widen():
    assert basis_of_model(given_basis(0.8), traced(nn.Linear(16, 10), (2, 16))) == given_basis(0.8)
