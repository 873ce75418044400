"""Every precision on a GPU, against the same model in 64 bits."""

from __future__ import annotations

from copy import deepcopy

import torch

from archbench.measure.worker.step import Step
from archbench.precision import PRECISIONS
from tests.cuda.subject import configuration, show

# An operand is rounded by at most half a unit in the last place: 2**-24 in fp32, 2**-11 in tf32 and fp16 (10 bits),
# 2**-8 in bf16 (7 bits). Over the layers of a network the errors add up to a few times that; Winograd's algorithm has
# larger ones.
LARGEST_ERROR = {"fp32": 2**-13, "tf32": 2**-6, "fp16": 2**-6, "amp-fp16": 2**-6, "bf16": 2**-4, "amp": 2**-4}


def test_inference_in_every_precision_is_as_exact_as_its_products(kind="cuda"):
    errors = {name: _error(kind, name) for name in _names(kind)}
    show(**errors)
    for name, error in errors.items():
        assert error < LARGEST_ERROR[name], name
    if kind == "cuda":  # rounded where rounding was asked for
        assert all(errors[name] > 2 * errors["fp32"] for name in errors if name != "fp32")


def test_a_training_step_in_every_precision_has_a_finite_loss(kind="cuda"):
    losses = {}
    for name in _names(kind):
        step = Step(configuration(kind, dtypes=[name], modes=["train"]))
        losses[name] = float(step.run_once().detach())
        assert all(bool(p.grad.isfinite().all()) for p in step.model.parameters() if p.grad is not None), name
    show(**losses)
    assert all(0 < loss < 100 for loss in losses.values())


def _names(kind):
    # A CPU has no tf32.
    return [name for name in PRECISIONS if (kind, name) != ("cpu", "tf32")]


def _error(kind, name):
    """Return the largest error of the output, relative to the largest output."""
    step = Step(configuration(kind, dtypes=[name]))
    seen = []
    handle = step.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    outputs = step.run_once().double()
    handle.remove()
    with torch.no_grad():
        exact = deepcopy(step.model).double()(seen[0].double())
    return float((outputs - exact).abs().max() / exact.abs().max())
