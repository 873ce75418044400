"""Layers with formulas of their own, over many configurations: every printed line gives the traced figure."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archbench.analyze.explain.explain import explain
from archbench.trace.tracer import trace
from tests.analyze.explain.test_explain import FIELDS, assert_follows, explained, figures, lines, remarks

sizes = st.integers(1, 6)
batches = st.integers(1, 3)
SETTINGS = settings(max_examples=25, deadline=None)


def assert_all_follow(explanation):
    """Every figure of every row is derived; none is a remark, and the arithmetic of its text gives the figure."""
    for layer in explanation.layers:
        assert not {"unlike", "rule"} & set(remarks(layer)), (layer.row.name, remarks(layer))
        assert_follows(layer)
        wanted = {symbol for symbol, field in FIELDS.items() if getattr(layer.row, field)} - {"parameters"}
        shown = figures(layer)
        assert wanted <= set(shown), layer.row.name
        assert not layer.row.params or shown.get("parameters", shown.get("weights")) == layer.row.params


class Calls(nn.Module):
    """A model that calls a layer with the inputs that `forward` returns."""

    def __init__(self, layer, call):
        super().__init__()
        self.layer, self.call = layer, call

    def forward(self, x):
        return self.call(self.layer, x)


@SETTINGS
@given(
    kind=st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]),
    size=sizes, hidden=st.integers(2, 6), layers=st.integers(1, 3), steps=sizes, batch=batches,
    bias=st.booleans(), batch_first=st.booleans(), bidirectional=st.booleans(), projected=st.booleans(),
)  # fmt: skip
def test_recurrent_layers(kind, size, hidden, layers, steps, batch, bias, batch_first, bidirectional, projected):
    projection = {"proj_size": hidden - 1} if projected and kind is nn.LSTM else {}
    layer = kind(size, hidden, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional, **projection)
    shape = (batch, steps, size) if batch_first else (steps, batch, size)
    explanation = explained(nn.Sequential(layer), *shape)
    if batch_first:  # otherwise the first dimension, which is taken for the samples, are the steps
        assert_all_follow(explanation)
    (found,) = explanation.layers
    assert_follows(found)
    matrices = sum(weight.numel() for weight in layer.parameters() if weight.dim() == 2)
    assert figures(found)["weights"] == matrices
    assert figures(found)["MACs"] == matrices * steps * batch


def test_an_lstm_by_hand():
    lstm = nn.LSTM(32, 64, 2, batch_first=True, bidirectional=True)
    (found,) = explained(nn.Sequential(lstm), 1, 20, 32).layers
    shown = lines(found)
    # 2 directions of 4 gates of 64 units; the second layer gets the 128 states of both directions.
    assert shown["weights"] == "2·4·64·(32 + 64) + 2·4·64·(128 + 64) = 147,456"
    # 4 cells with two biases for each of 4·64 gates.
    assert shown["parameters"] == "147,456 weights + 2,048 biases = 149,504"
    assert shown["MACs"] == "147,456·20 steps = 2,949,120"
    assert remarks(found)["recurrent"] == {"layers": 2, "directions": 2, "units": 64, "state": 64}


@SETTINGS
@given(
    kind=st.sampled_from([nn.LSTMCell, nn.GRUCell, nn.RNNCell]), size=sizes, hidden=sizes, batch=batches,
    bias=st.booleans(),
)  # fmt: skip
def test_recurrent_cells(kind, size, hidden, batch, bias):
    assert_all_follow(explained(nn.Sequential(kind(size, hidden, bias=bias)), batch, size))


@SETTINGS
@given(
    heads=st.integers(1, 3), size=st.sampled_from([1, 3, 8]), length=sizes, batch=batches, bias=st.booleans(),
    biased_keys=st.booleans(), zero=st.booleans(), other=st.booleans(), shows_weights=st.booleans(),
)  # fmt: skip
def test_multihead_attention(heads, size, length, batch, bias, biased_keys, zero, other, shows_weights):
    features = heads * size
    layer = nn.MultiheadAttention(
        features, heads, bias=bias, add_bias_kv=biased_keys, add_zero_attn=zero, batch_first=True,
        **({"kdim": 3, "vdim": 5} if other else {}),
    )  # fmt: skip

    def call(layer, x):
        keys, values = (x[..., :1].expand(-1, -1, n) for n in (3, 5)) if other else (x, x)
        return layer(x, keys, values, need_weights=shows_weights)[0]

    assert_all_follow(explained(Calls(layer, call), batch, length, features))


@SETTINGS
@given(heads=sizes, queries=sizes, keys=sizes, size=st.sampled_from([2, 8, 64]), batch=batches, causal=st.booleans())
def test_scaled_dot_product_attention(heads, queries, keys, size, batch, causal):
    class Attention(nn.Module):
        def forward(self, x):
            key = x[:, :, :1].expand(-1, -1, keys, -1)
            return nn.functional.scaled_dot_product_attention(x, key, key, is_causal=causal)

    explanation = explained(nn.Sequential(Attention()), batch, heads, queries, size)
    assert_all_follow(explanation)
    # Each query meets each key and each value.
    assert explanation.table.totals.macs == batch * heads * queries * keys * 2 * size


@SETTINGS
@given(entries=sizes, features=sizes, length=sizes, batch=batches, mode=st.sampled_from(["sum", "mean", "max", None]))
def test_embeddings(entries, features, length, batch, mode):
    layer = nn.EmbeddingBag(entries, features, mode=mode) if mode else nn.Embedding(entries, features)
    explanation = explain(trace(nn.Sequential(layer), torch.zeros(batch, length, dtype=torch.long)))
    assert_all_follow(explanation)
    (found,) = explanation.layers
    assert lines(found)["parameters"].startswith(f"{entries}·{features} weights")


@SETTINGS
@given(
    kind=st.sampled_from(["layer", "group", "batch", "instance", "rms", "local"]),
    channels=st.sampled_from([2, 4, 6]), size=sizes, rank=st.integers(1, 3), batch=batches, affine=st.booleans(),
)  # fmt: skip
def test_normalisation(kind, channels, size, rank, batch, affine):
    grid = (size + 1,) * rank
    layer = {
        "layer": lambda: nn.LayerNorm(grid, elementwise_affine=affine),
        "group": lambda: nn.GroupNorm(2, channels, affine=affine),
        "batch": lambda: (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[rank - 1](channels, affine=affine),
        "instance": lambda: (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)[rank - 1](
            channels, affine=affine
        ),
        "rms": lambda: nn.RMSNorm(grid, elementwise_affine=affine),
        "local": lambda: nn.LocalResponseNorm(2),
    }[kind]()
    assert_all_follow(explained(nn.Sequential(layer), batch, channels, *grid))


@SETTINGS
@given(
    rank=st.integers(1, 3), groups=st.sampled_from([1, 2]), kernel=st.integers(1, 3), stride=st.integers(1, 3),
    padding=st.integers(0, 1), dilation=st.integers(1, 2), more=st.booleans(), bias=st.booleans(), batch=batches,
)  # fmt: skip
def test_transposed_convolutions(rank, groups, kernel, stride, padding, dilation, more, bias, batch):
    kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[rank - 1]
    extra = int(more and max(stride, dilation) > 1)
    layer = kind(4, 6, kernel, stride, padding, extra, groups=groups, bias=bias, dilation=dilation)
    explanation = explained(nn.Sequential(layer), batch, 4, *(5,) * rank)
    assert_all_follow(explanation)
    (found,) = explanation.layers
    assert found.row.macs == batch * 4 * 5**rank * (6 // groups) * kernel**rank


@SETTINGS
@given(first=sizes, second=sizes, out=sizes, rows=sizes, batch=batches, bias=st.booleans())
def test_bilinear_layers(first, second, out, rows, batch, bias):
    layer = nn.Bilinear(first, second, out, bias=bias)
    explanation = explained(
        Calls(layer, lambda layer, x: layer(x, x[..., :1].expand(-1, -1, second))), batch, rows, first
    )
    assert_all_follow(explanation)
    # For each row and output the first input meets the matrix, and its product the second input.
    assert explanation.table.totals.macs == batch * rows * out * (first * second + second)
