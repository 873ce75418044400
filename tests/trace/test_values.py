"""Small integers keep their values in a run without data; other values are random, the same in every run."""

import random

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from archbench.errors import DeviceError
from archbench.trace import values
from archbench.trace.tracer import trace
from tests.helpers.models import Call, ReadsValues


def macs(record):
    return sum(operation.macs for operation in record.operations)


def test_a_mask_is_read_without_giving_weights_data():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.layer = nn.Embedding(50, 4), nn.Linear(4, 4)

        def forward(self, ids, mask):
            x = self.table(ids)
            assert x.is_meta
            mask = mask.to(device=x.device, dtype=torch.bool)
            return self.layer(x) if mask.all() else self.layer(x[mask])

    with torch.device("meta"):
        model = Masked()
    ids, mask = torch.zeros(2, 3, dtype=torch.long), torch.tensor([[1, 1, 1], [1, 0, 0]])
    record = trace(model, (ids, mask))
    assert record.real_data_reason is None
    assert macs(record) == 4 * 4 * 4  # the 4 tokens that the mask selects
    assert macs(trace(model, (ids, torch.ones_like(mask)))) == 6 * 4 * 4


@pytest.mark.parametrize(
    "read",
    [
        lambda ids, x: ids.max().item(),
        lambda ids, x: ids.to(x.device).tolist(),
        lambda ids, x: torch.arange(3, device=x.device).tolist(),
        lambda ids, x: torch.ones(2, device=x.device).all().item(),
        lambda ids, x: ids.cumsum(0)[-1].item(),
        lambda ids, x: torch.tensor([1, 2], device=x.device).tolist(),
        lambda ids, x: torch.unique(ids).shape[0] + ids.nonzero().shape[0],
        lambda ids, x: bool((ids[:, None] == ids[None]).any()),
        lambda ids, x: nn.functional.one_hot(ids % 5),
        lambda ids, x: x[:3].repeat_interleave(ids + 1, dim=0),
    ],
)
def test_what_follows_from_small_integers_is_known(read):
    def forward(ids, x):
        read(ids, x)
        return x

    ids = torch.tensor([3, 1, 2])
    assert trace(Call(forward), (ids, torch.empty(4, 4))).real_data_reason is None


def test_integers_in_buffers_keep_their_values():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("index", torch.tensor([0, 2, 4]))

        def forward(self, x):
            return x[: self.index.max().item()]

    record = trace(Positions(), torch.empty(8, 2))
    assert record.real_data_reason is None
    assert record.layers[0].outputs[0].shape == (4, 2)


def test_writing_to_an_input_changes_the_copy_alone():
    def forward(ids, x):
        ids[0] = 7
        ids += 1
        return x[: ids[0].item()]

    ids = torch.zeros(3, dtype=torch.long)
    record = trace(Call(forward), (ids, torch.empty(9, 2)))
    assert record.layers[0].outputs[0].shape == (8, 2)
    assert ids.tolist() == [0, 0, 0]


def test_integers_that_computed_values_were_written_to_are_not_known():
    def forward(ids, x):
        ids[1:].copy_(x[:2].argmax(1))
        same = ids[:1]
        return x[: same[0].item() + 1]

    record = trace(Call(forward), (torch.zeros(3, dtype=torch.long), torch.eye(3)))
    assert "reads the value of a tensor" in record.real_data_reason


@pytest.mark.parametrize(
    "ids", [torch.zeros(2, 8, dtype=torch.long)[:, :4], torch.ones(1, 4, dtype=torch.bool).expand(2, 4)]
)
def test_the_storage_of_an_input_is_as_large_with_values_as_without(ids):
    def sizes(tensor):
        return [storage.size_bytes for storage in trace(Call(lambda x: x), tensor).storages]

    kept = values.without_data(ids)
    assert kept.stride() == ids.stride()
    assert torch.equal(kept, ids)
    assert sizes(ids) == sizes(values.to_meta(ids))


def test_large_integers_and_what_small_ones_broadcast_to_have_no_values():
    n = values.LARGEST
    assert values.without_data(torch.zeros(n, dtype=torch.bool)).is_cpu
    assert values.without_data(torch.zeros(n + 1, dtype=torch.bool)).is_meta
    places = []

    def forward(ids):
        places.extend(
            t.device.type for t in (ids, ids[:, None], ids[:, None] + ids, torch.arange(n + 1), ids.repeat(n))
        )
        return ids

    trace(Call(forward), torch.zeros(2048, dtype=torch.int8))
    assert places == ["cpu", "cpu", "meta", "meta", "meta"]


def test_gradients_flow_through_what_activations_are_written_to():
    class Collects(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x, ids):
            out = x.new_zeros(3, 4)
            other = torch.zeros(3, 4, device=x.device)
            out[ids] = self.layer(x)
            other.index_add_(0, ids, self.layer(x))
            return out + other + torch.zeros_like(ids, dtype=torch.float)[:, None]

    record = trace(Collects(), (torch.empty(3, 4), torch.arange(3)), mode="train")
    assert record.real_data_reason is None
    # Two calls, each with its product and the gradient of the weight.
    assert macs(record) == 2 * 2 * 3 * 4 * 4


def test_integers_without_values_are_ones_where_they_are_read():
    def forward(x, mask):
        return x if mask.all() else x @ x

    x, mask = torch.empty(4, 4), torch.empty(4, dtype=torch.long, device="meta")
    record = trace(Call(forward), (x, mask))
    assert record.real_data_reason is None
    assert record.ones_reason == "it reads the value of a tensor (aten._local_scalar_dense) in Call"
    assert macs(record) == 0
    assert trace(Call(lambda x, mask: x * mask), (x, mask)).ones_reason is None


def test_a_model_that_refuses_ones_is_run_on_data():
    def forward(ids):
        assert ids[0] == 0, "not zero"
        return ids

    record = trace(Call(forward), torch.empty(4, dtype=torch.long, device="meta"))
    assert (record.ones_reason, record.has_random_data) == (None, True)
    assert "reads the value" in record.real_data_reason


class Routes(nn.Module):
    """Multiplies as many rows as a computed mask selects."""

    def __init__(self):
        super().__init__()
        self.gate, self.layer = nn.Linear(8, 1), nn.Linear(8, 8)

    def forward(self, x):
        return self.layer(x[self.gate(x)[:, 0] > 0])


def test_random_data_is_the_same_every_time_and_the_random_state_untouched():
    with torch.device("meta"):
        model = Routes()
    counts = set()
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        expected = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
        record = trace(model, torch.empty(100, 8, device="meta"))
        assert record.has_random_data
        counts.add(macs(record))
        assert torch.equal(torch.get_rng_state(), expected[0])
        assert random.getstate() == expected[1]
        assert np.random.get_state()[1].tolist() == expected[2]
    assert len(counts) == 1


def test_chance_in_a_run_without_data_is_the_same_every_time():
    def forward(x):
        return x @ x if torch.rand(()) < 0.5 else x

    assert len({macs(trace(Call(forward), torch.empty(4, 4), mode="train")) for _ in range(8)}) == 1


def test_real_weights_and_inputs_are_used_as_they_are():
    torch.manual_seed(0)
    model, x = Routes(), torch.randn(100, 8)
    rows = int((model.gate(x)[:, 0] > 0).sum())
    record = trace(model, x)
    assert not record.has_random_data
    assert macs(record) == 100 * 8 + rows * 64
    assert trace(model, x.to("meta")).has_random_data


def test_random_weights_keep_activations_in_range():
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*(nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512)) for _ in range(8)))

        def forward(self, x):
            x = self.layers(x)
            return x[: 1 + int(x.abs().mean() < 10)]

    with torch.device("meta"):
        model = Deep()
    record = trace(model, torch.empty(4, 512, device="meta"))
    assert record.layers[0].outputs[0].shape[0] == 2


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.bfloat16, torch.complex64, torch.int8])
def test_random_weights_may_have_any_dtype(dtype):
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("matrix", torch.empty(4, 4, dtype=dtype, device="meta"))
            self.register_buffer("vector", torch.empty(4, dtype=dtype, device="meta"))

        def forward(self, x):
            return x if x[0] > 0 else x + 1

    assert trace(Reads(), torch.empty(4)).real_data_reason


def test_weights_that_do_not_fit_are_refused_with_the_reason(monkeypatch):
    memory = psutil.virtual_memory()._replace(available=1 << 30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(1 << 15, 1 << 15, bias=False), ReadsValues())
        model[1].layer = nn.Identity()
    x = torch.empty(1, 1 << 15)
    with pytest.raises(DeviceError) as refused:
        trace(model, x)
    assert str(refused.value) == (
        "Sequential needs 4.000 GiB of weights, because it reads the value of a tensor (aten._local_scalar_dense)"
        " in layer 1, and 1.000 GiB are free"
    )


def test_a_failed_allocation_is_refused_alike(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")

    with torch.device("meta"):
        model = ReadsValues()
    monkeypatch.setattr(torch, "randn", fails)
    with pytest.raises(DeviceError, match=r"needs 84 B of weights, because it reads .* this process cannot allocate"):
        trace(model, torch.empty(2, 4))


def test_an_attention_mask_gives_transformers_no_data():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        num_hidden_layers=1, hidden_size=32, intermediate_size=64, num_attention_heads=2, vocab_size=50
    )
    with torch.device("meta"):
        model = transformers.BertModel(config)
    ids = torch.zeros(2, 8, dtype=torch.long)
    plain, masked = (
        trace(model, {"input_ids": ids, **more}) for more in ({}, {"attention_mask": torch.ones_like(ids)})
    )
    assert masked.real_data_reason is None
    assert macs(masked) == macs(plain)
    texts = tuple(torch.empty(2, 8, dtype=torch.long, device="meta") for _ in range(2))
    assert trace(model, texts).real_data_reason is None
