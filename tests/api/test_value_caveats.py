"""Results state how their counts depend on values."""

import pytest
import torch
import torchvision
from torch import nn

import archbench
from tests.helpers.models import Call


def caveats(function, *inputs, model=None):
    return archbench.check(model or Call(function), inputs, max_params="1M").caveats


def test_check_repeats_that_a_model_was_run_on_random_data():
    (line,) = caveats(lambda x: x if x.sum() > 0 else x + 1, torch.empty(3, device="meta"))
    assert line == (
        "Call: run on random data (seed 0), because it reads the value of a tensor (aten._local_scalar_dense) in Call;"
        " counts may depend on values"
    )


def test_data_of_the_users_own_is_real():
    (line,) = caveats(lambda x: x if x.sum() > 0 else x + 1, torch.ones(3))
    assert line.startswith("Call: run on real data, because")


def test_integers_without_values_are_stated():
    (line,) = caveats(lambda mask: mask if mask.all() else ~mask, torch.empty(3, dtype=torch.bool, device="meta"))
    assert line.startswith("Call: integer inputs were taken as ones, because it reads the value of a tensor")
    assert line.endswith("; counts may depend on values")


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x, mask: mask.nonzero(), "nonzero"),
        (lambda x, mask: x[mask], "index by a mask"),
        (lambda x, mask: mask.long().unique(), "unique2"),
        (lambda x, mask: x.repeat_interleave(mask.long(), 0), "repeat_interleave"),
        (lambda x, mask: mask.masked_select(mask), "masked_select"),
    ],
)
def test_operators_whose_results_depend_on_values_are_named_also_without_data(function, name):
    (line,) = caveats(function, torch.empty(3, 2), torch.tensor([True, False, True]))
    assert line == f"Call: counts depend on values, where these operators ran: {name} (the root)"
    assert not caveats(lambda x, mask: x[mask.long()], torch.empty(3, 2), torch.tensor([True, False, True]))


def test_a_detector_has_the_caveat_with_random_weights_and_with_its_own():
    name, options = "fasterrcnn_mobilenet_v3_large_320_fpn", {"weights": None, "weights_backbone": None}
    x = torch.rand(1, 3, 320, 320)
    with torch.device("meta"):
        blank = torchvision.models.get_model(name, **options)
    built = torchvision.models.get_model(name, **options)
    first, again, own = (
        archbench.summarize(m, t) for m, t in ((blank, x.to("meta")), (blank, x.to("meta")), (built, x))
    )
    assert first.totals == again.totals
    for summary, data in ((first, "random data (seed 0)"), (own, "real data")):
        text = "\n".join(summary.caveats)
        assert f"run on {data}, because aten.nonzero has no kernel for tensors without data in layer rpn" in text
        assert "counts depend on values, where these operators ran: nms (rpn" in text


def test_layers_beyond_three_are_a_number():
    layers = nn.Sequential(*(Call(lambda mask: mask.nonzero() * 0 > -1) for _ in range(5)))
    (line,) = caveats(None, torch.ones(3, dtype=torch.bool), model=layers)
    assert line.endswith("nonzero (0, 1, 2 and 2 more)")
