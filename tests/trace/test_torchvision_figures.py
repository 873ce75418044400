"""Every classification model of torchvision against the parameters and operations that its weights publish.

`_ops` is in units of 1e9 multiply-accumulates (torchvision counts them with torch's flop counter, halved).
"""

from __future__ import annotations

import warnings

import pytest
from torchvision import models

from archbench.api.summary import summarize
from archbench.models.address import find
from archbench.models.inputs import InputSpec

pytestmark = pytest.mark.slow

# Parameters that we count and torchvision's published figure leaves out.
EXTRA_PARAMS = {
    # The builder makes two auxiliary classifiers, used in training only; the published weights come without.
    "googlenet": 6_379_984,
}


@pytest.mark.parametrize("name", models.list_models(module=models))
def test_parameters_and_macs_are_the_published_ones(name):
    weights = min(models.get_model_weights(name), key=lambda one: one.transforms.keywords["crop_size"])
    source = find(f"torchvision:{name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torchvision's, about how googlenet and inception start
        summary = summarize(source.build(), InputSpec(source.input_shape).tensor(1))
    assert summary.totals.params == weights.meta["num_params"] + EXTRA_PARAMS.get(name, 0)
    published = weights.meta["_ops"]
    # Within 1%, or half a unit of the last of the published figure's three decimals.
    assert summary.totals.macs / 1e9 == pytest.approx(published, rel=0.01, abs=0.0005)
    assert summary.uncounted == {}
    assert summary.real_data_reason is None
