"""`plot rates`, with real rows of timm's results in a real store."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

import archbench
from archbench.api.published import import_timm
from archbench.errors import UsageError
from tests.helpers.chart_specs import records, subtitle

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RATES_4090 = EXAMPLES / "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv"


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "results.sqlite"
    import_timm(RATES_4090, store=path)
    return path


def test_rates_are_predicted_under_the_conditions_of_the_published_ones(store, caplog):
    caplog.set_level("INFO", "archbench")
    spec = archbench.plot("rates", "vgg16", "torchvision:resnet18", "lenet", store=store).to_dict()
    drawn = {row["model"]: row for row in records(spec, "published")}
    # The file's row: vgg16,224,512,2904.86
    assert (drawn["vgg16"]["published"], drawn["vgg16"]["batch"], drawn["vgg16"]["img_size"]) == (2904.86, 512, 224)
    conditions = {"batch": 512, "dtype": "amp-fp16", "layout": "nhwc"}
    (row,) = archbench.estimate("vgg16", "rtx4090", inputs="3x224x224", **conditions).rows
    found = tuple(drawn["vgg16"][name] for name in ("predicted", "low", "high"))
    assert found == (row.images_per_s, row.images_per_s_low, row.images_per_s_high)
    assert "rtx4090, eval, amp-fp16, nhwc, torch 2.4.0" in subtitle(spec)
    assert "without a published rate at this image size: lenet" in caplog.text


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "plot rates takes at least one model"),
        (["lenet"], "nothing to plot: no rate of lenet is imported at this image size"),
        ([nn.Linear(2, 2)], "give timm:resnet50, not a Linear"),
    ],
)
def test_rates_without_models_or_published_figures_are_refused(store, models, message):
    with pytest.raises(UsageError, match=message):
        archbench.plot("rates", *models, store=store)
