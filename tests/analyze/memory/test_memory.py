from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from archbench.analyze.memory.allocator import rounding_bytes, workspace_bytes
from archbench.analyze.memory.footprint import largest_batch
from archbench.analyze.memory.layers import layer_memory
from archbench.analyze.memory.timeline import peak_moment, timeline
from archbench.analyze.peak_memory import largest_sum, peak_bytes
from archbench.analyze.performance.roofline import Conditions
from archbench.errors import InputError
from archbench.hardware.find import find_device
from archbench.models.address import Source, find, model_names
from archbench.precision import PRECISIONS
from archbench.trace.records import Storage
from archbench.trace.tracer import trace
from tests.helpers.mem_tracker import tracked_peak

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


def encoder():
    """Four layers of attention; dropout would be another operator on a CPU than on CUDA."""
    layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)


class Recurrent(nn.Module):
    """Two layers of an LSTM, whose result is a tensor."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(64, 64, 2, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("builder", "device_kind", "mode"),
    # In inference torch runs an encoder layer as one operator, whose temporary tensors the tracker does not see.
    [(encoder, "cpu", "train"), (Recurrent, "cuda", "eval"), (Recurrent, "cuda", "train")],
)
def test_the_peak_of_fused_kernels_is_torchs_own_trackers(builder, device_kind, mode):
    source = Source(builder.__name__, builder, {}, input_shape=(256, 64))
    record = trace(source.build(), torch.empty(8, 256, 64), mode=mode, device_kind=device_kind)
    assert peak_bytes(record) == pytest.approx(tracked_peak(source, 8, mode), rel=0.02)


@pytest.mark.slow
def test_the_peak_of_attention_on_cuda_is_torchs_own_trackers(monkeypatch):
    def efficient(query, key, value, *_args, **_):
        return torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, True)[0]

    source = Source("encoder", encoder, {}, input_shape=(256, 64))
    record = trace(source.build(), torch.empty(8, 256, 64), mode="train")
    # Without a GPU the tracker's run chooses the kernel for CPUs, which leaves its result in another layout.
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", efficient)
    assert peak_bytes(record) == pytest.approx(tracked_peak(source, 8, "train"), rel=0.02)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn"])
def test_the_timelines_highest_moment_is_the_peak_and_its_parts_sum(zoo_trace, name, mode):
    record = zoo_trace(name, 2, mode)
    moments = timeline(record)
    assert max(moment.total_bytes for moment in moments) == peak_bytes(record) == peak_moment(record).total_bytes
    for moment in moments:
        parts = [value for field, value in asdict(moment).items() if field.endswith("_bytes")]
        assert sum(parts) == 2 * moment.total_bytes
        assert min(parts) >= 0
    assert [moment.step for moment in moments] == [op.step for op in (*record.operations, *record.update)]


def test_categories_of_a_training_step_by_hand():
    # Parameters 16 + 4, momentum as many; the weight's and bias's gradients are there when the update begins.
    record = trace(nn.Linear(4, 4), torch.empty(2, 4), mode="train")
    last = timeline(record)[-1]
    assert (last.phase, last.layer, last.operator) == ("update", "", "aten._foreach_add_")
    assert (last.params_bytes, last.gradient_bytes, last.optimizer_bytes) == (80, 80, 80)
    assert (last.input_bytes, last.activation_bytes, last.temporary_bytes) == (32, 0, 0)


def test_what_a_layer_makes_and_frees_is_temporary_and_what_others_take_is_not():
    class Scratch(nn.Module):
        def forward(self, x):
            return (x * 2).exp()

    record = trace(nn.Sequential(Scratch(), nn.Tanh()), torch.empty(5))
    product, exponential, tangent = timeline(record)
    assert (product.temporary_bytes, product.activation_bytes) == (20, 0)
    assert (exponential.temporary_bytes, exponential.activation_bytes) == (20, 20)
    assert (tangent.temporary_bytes, tangent.activation_bytes) == (0, 40)


def test_layers_save_what_backward_needs():
    # Batch 2. The linear layer's result is kept by tanh's; relu works in place on what the second one made.
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3), nn.ReLU(inplace=True))
    record = trace(model, torch.empty(2, 4), mode="train")
    rows = {row.name: row for row in layer_memory(record)}
    assert [rows[name].saved_bytes for name in "0123"] == [0, 32, 24, 0]
    assert {row.saved_bytes for row in layer_memory(trace(model, torch.empty(2, 4)))} == {None}


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_saved_bytes_sum_to_all_that_waits_for_backward(zoo_trace, name):
    record = zoo_trace(name, 2, "train")
    first = next(operation.step for operation in record.operations if operation.is_backward)
    waiting = (s for s in record.storages if s.born < first and (s.died is None or s.died >= first))
    expected = sum(storage.size_bytes for storage in waiting if storage.kind == "activation")
    rows = layer_memory(record)
    assert sum(row.saved_bytes for row in rows) == expected
    assert max(row.backward_peak_bytes or 0 for row in rows) == peak_bytes(record)
    assert max(row.forward_peak_bytes or 0 for row in rows) < peak_bytes(record)


def test_pooling_saves_its_indices_in_eight_bytes(zoo_trace):
    # 96x27x27 results of 4 bytes and as many indices of 8, of 2 samples.
    rows = {row.name: row for row in layer_memory(zoo_trace("alexnet", 2, "train"))}
    assert rows["pool1"].saved_bytes == 2 * 96 * 27 * 27 * (4 + 8)


def test_a_model_whose_memory_does_not_grow_has_no_largest_batch():
    with pytest.raises(InputError, match="every batch fits in"):
        largest_batch(lambda batch: 100, 1000)
    with pytest.raises(InputError, match="every batch fits in"):
        largest_batch(lambda batch: batch, 10**18)


def test_the_search_may_begin_at_two():
    def needed(batch):
        assert batch > 1
        return 10 * batch

    assert largest_batch(needed, 55, smallest=2) == 5
    assert largest_batch(needed, 5, smallest=2) == 0


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 10**9))
def test_the_largest_batch_that_fits_is_the_last_that_does(slope, constant, limit):
    found = largest_batch(lambda batch: constant + slope * batch, limit)
    assert found == max((limit - constant) // slope, 0)


def test_allocators_and_libraries_need_more():
    conditions = Conditions(find_device("h100"), PRECISIONS["bf16"], 1.0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.Flatten(), nn.Linear(256, 10)).to(torch.bfloat16)
    record = trace(model, torch.empty(1, 2, 8, 8, dtype=torch.bfloat16), mode="train")
    # cuBLAS: 32 MiB in forward and in backward; the convolution's backward has a gradient 4x8x8, the input 2x8x8, the
    # weight 4x2x3x3 and makes the latter's gradient and the bias's, all in two bytes.
    copies = 2 * (256 + 128 + 72 + 72 + 4)
    assert workspace_bytes(record, conditions) == 2 * 32 * 2**20 + copies
    assert workspace_bytes(record, replace(conditions, layout="nhwc")) == 2 * 32 * 2**20
    before = replace(conditions, device=find_device("a100"), layout="nhwc")
    assert workspace_bytes(record, before) == 2 * (2 * 4096 + 8 * 16) * 1024
    assert workspace_bytes(record, replace(conditions, device=find_device("mi300x"))) == 0
    step = peak_moment(record).step
    there = [s.size_bytes for s in record.storages if s.born <= step and (s.died is None or s.died >= step)]
    assert rounding_bytes(record) == sum(512 * ((size + 511) // 512) - size for size in there)
