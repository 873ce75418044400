from __future__ import annotations

import resource
import subprocess
import sys

import pytest
import torch
from torch import nn

from archbench.trace.meta_build import build


def test_nothing_is_allocated_and_shapes_are_what_the_builder_makes():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.turned = nn.Parameter(torch.empty(3, 5).t_())
            self.raised = nn.Parameter(torch.zeros(3).unsqueeze_(0))
            self.layer = nn.Linear(4, 4)
            nn.init.trunc_normal_(self.layer.weight)
            torch._foreach_mul_([torch.ones(2)], 2.0)

    model, reason = build(Odd, {})
    assert reason is None
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.turned.shape == (5, 3)
    assert model.raised.shape == (1, 3)


def test_a_builder_that_reads_values_gets_real_memory_that_is_hardly_used():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.rates = [rate.item() for rate in torch.linspace(0, 0.5, 3)]
            self.large = nn.Linear(20_000, 20_000)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model, reason = build(Reads, {})
    grown_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert reason is not None
    assert model.rates == [0, 0.25, 0.5]
    assert not model.large.weight.is_meta
    assert grown_bytes < model.large.weight.nbytes / 4


def test_a_builders_error_is_raised_unchanged():
    def fails():
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        build(fails, {})


@pytest.mark.slow
def test_building_from_an_address_imports_no_compiler(new_interpreters):
    code = (
        "import sys; from archbench.models.address import find\n"
        "find('vgg16?init=kaiming').build(); find('lenet5').build()\n"
        "assert not {'sympy', 'torch._dynamo'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
