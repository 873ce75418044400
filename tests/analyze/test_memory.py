from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from archbench.address import find, model_names
from archbench.analyze.memory import largest_sum, peak_bytes
from archbench.trace.records import Storage
from archbench.trace.tracer import trace
from tests.mem_tracker import tracked_peak

storages = st.builds(
    lambda size, born, span: Storage("activation", size, born, None if span is None else born + span),
    st.integers(0, 100),
    st.integers(0, 20),
    st.none() | st.integers(0, 10),
)


@given(st.lists(storages, max_size=20))
def test_the_largest_sum_is_that_of_the_fullest_step(found):
    def present(step):
        return sum(s.size_bytes for s in found if s.born <= step and (s.died is None or step <= s.died))

    assert largest_sum(found) == max(map(present, range(40)))


def peak(model, *shapes, mode="eval"):
    return peak_bytes(trace(model, tuple(torch.empty(shape) for shape in shapes), mode=mode))


def test_a_chain_needs_two_of_its_tensors_at_a_time():
    # Input 40 elements stay; of the three results two are there while the next is made.
    class Chain(nn.Module):
        def forward(self, x):
            x = x.sigmoid()
            x = x.sigmoid()
            return x.sigmoid()

    assert peak(Chain(), (4, 10)) == 4 * (40 + 40 + 40)


def test_views_and_in_place_operators_need_nothing():
    class Free(nn.Module):
        def forward(self, x):
            return x.view(-1).relu_().t().unsqueeze(0)

    assert peak(Free(), (4, 10)) == 4 * 40


def test_parameters_and_buffers_are_there_all_the_time():
    # Weight and bias, running mean and variance, the batch counter of 8 bytes; input, product and its normalisation.
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    constant = 4 * (15 + 6 + 6) + 8
    assert peak(model, (2, 4)) == constant + 4 * (8 + 6 + 6)


def test_a_training_step_keeps_what_backward_needs_and_momentum():
    # Parameters 20 and momentum 20; input 8, output 8; backward from 8 ones makes the weight's gradient 16 and the
    # bias's 4, while the output is still held.
    assert peak(nn.Linear(4, 4), (2, 4), mode="train") == 4 * (20 + 20 + 8 + 8 + 16 + 4)


def test_frozen_parameters_have_neither_gradient_nor_momentum():
    model = nn.Linear(4, 4).requires_grad_(False)
    assert peak(model, (2, 4), mode="train") == peak(model, (2, 4))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("name", model_names())
def test_the_peak_is_torchs_own_trackers(name, batch, mode):
    source = find(name)
    record = trace(source.build(), torch.empty(batch, *source.input_shape), mode=mode)
    expected = tracked_peak(source, batch, mode)
    # To the byte in inference. In training the tracker's step sums the outputs itself and holds the sum; the steps
    # differ by an output and what torch's Python kernels make on fake tensors.
    assert peak_bytes(record) == (expected if mode == "eval" else pytest.approx(expected, rel=0.01))
