"""`archbench.plot("modules", ...)`: the modules of a model by four quantities."""

from __future__ import annotations

import pytest
from torch import nn

import archbench
from archbench.errors import UsageError
from tests.helpers.chart_specs import records, subtitle

MODEL = nn.Sequential(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), nn.Linear(2, 1))


def _boxes(model=MODEL, **options):
    return archbench.plot("modules", model, inputs=None if isinstance(model, str) else "4", **options).to_dict()


def test_plot_modules_by_parameters_is_the_default():
    spec = _boxes()
    # 4 * 8 + 8 = 40, 8 * 2 + 2 = 18, 2 * 1 + 1 = 3
    ends = {box["name"]: (box["start"], box["end"]) for box in records(spec, "share")}
    assert ends == {
        "Sequential": (0, 61), "0": (0, 58), "0.0": (0, 40), "0.2": (40, 58), "1": (58, 61),
    }  # fmt: skip
    assert spec["title"]["text"] == "0.0 has 65.6% of the parameters of Sequential"
    assert "heights are shares of 61." in subtitle(spec)


@pytest.mark.parametrize("mode", [None, "train"])
def test_plot_modules_by_macs_has_the_backward_passs_in_training(mode):
    (whole, *_) = records(_boxes(by="macs", mode=mode, batch=2), "share")
    # 32 + 16 + 2 = 50 MACs a sample; backward twice as many but for the gradient of the first layer's input
    assert whole["end"] == 2 * (50 if mode is None else 50 + 100 - 32)


def test_plot_modules_by_memory_is_what_a_training_step_saves(zoo_trace):
    from archbench.analyze.memory.layers import layer_memory

    (whole, *_) = records(_boxes("lenet", by="memory", batch=4), "share")
    assert whole["end"] == sum(row.saved_bytes for row in layer_memory(zoo_trace("lenet", 4, "train")))
    with pytest.raises(
        UsageError, match="by='memory' is what a training step saves for its backward pass; leave out mode"
    ):
        _boxes(by="memory", mode="eval")


def test_plot_modules_by_time_is_the_estimate_of_a_device():
    (whole, *_) = records(_boxes("lenet", by="time", device="h200", batch=64), "share")
    spec = archbench.plot("roofline", "lenet", device="h200", batch=64).to_dict()
    (row, *_) = records(spec, "time_s")
    assert whole["end"] == pytest.approx(row["time_s"] / row["share"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "time"}, "by='time' requires device, such as h200"),
        ({"by": "macs", "device": "h200"}, "device='h200' requires by='time'"),
        ({"by": "parms"}, "did you mean 'params'"),
    ],
)
def test_plot_modules_says_which_options_go_together(options, message):
    with pytest.raises(UsageError, match=message):
        _boxes(**options)


def test_plot_modules_of_a_model_without_parameters_has_nothing_to_draw():
    with pytest.raises(UsageError, match="nothing to plot: ReLU has no parameters"):
        _boxes(nn.ReLU())
