"""Totals of every zoo model against fvcore and torch's FlopCounterMode, with the conversion of conventions.

FlopCounterMode counts two for each multiply-accumulate of convolutions and matrix products, and nothing else.
fvcore calls a multiply-accumulate one flop; its totals of `conv`, `linear` and `addmm`/`matmul` are our MACs.
"""

from __future__ import annotations

import logging

import pytest
import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from torch.utils.flop_counter import FlopCounterMode

from archbench.models.address import find, model_names

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", model_names())
def test_macs_are_half_of_what_torchs_flop_counter_counts(name, zoo_summary):
    source = find(name)
    model = source.build().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(2, *source.card.input_shape, device="meta"))
    assert zoo_summary(name, batch=2).totals.macs == counter.get_total_flops() / 2


@pytest.mark.parametrize("name", model_names())
def test_macs_and_parameters_are_fvcores(name, zoo_summary):
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    source = find(name)
    # On real memory, for fvcore runs the model; only lenet5's connection table needs to have its values.
    model = source.builder() if name == "lenet5" else source.build().to_empty(device="cpu")
    analysis = FlopCountAnalysis(model.eval(), torch.zeros(1, *source.card.input_shape))
    analysis.unsupported_ops_warnings(False)
    counted = analysis.by_operator()
    macs = sum(counted[operator] for operator in ("conv", "linear", "addmm", "matmul"))
    totals = zoo_summary(name).totals
    assert totals.macs == macs
    assert totals.params == parameter_count(model)[""]
