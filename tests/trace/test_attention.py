"""Attention is recorded as the kernel that a device runs: its products, its memory, and what is not fused."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend
from torch.utils.flop_counter import FlopCounterMode

import archbench
from archbench.analyze.layers import layer_table
from archbench.trace.attention import AttentionKernels
from archbench.trace.tracer import trace
from tests.helpers.models import Call

ROW = "scaled_dot_product_attention"


def run(*tensors, mode="eval", attention="auto", device_kind="cuda", **arguments):
    model = Call(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **arguments))
    return trace(model, tensors, mode=mode, optimizer=None, attention=attention, device_kind=device_kind)


def qkv(shape=(2, 4, 16, 8), keys=None, heads=None, dtype=torch.float32, requires_grad=False):
    batch, query_heads, queries, size = shape
    other = (batch, heads or query_heads, keys or queries, size)
    return tuple(
        torch.empty(each, dtype=dtype, device="meta", requires_grad=requires_grad) for each in (shape, other, other)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_of_8192_tokens_keeps_no_scores(dtype):
    record = run(*qkv((1, 1, 8192, 64), dtype=dtype))
    # Query, key, value and result of 8192 x 64; the scores alone would take 256 MiB.
    tensors = 4 * 8192 * 64 * dtype.itemsize
    assert tensors <= layer_table(record).totals.peak_inference_bytes <= tensors + 8192 * 4 + 64


def test_the_backward_pass_counts_four_products_and_the_fifth_apart():
    totals = layer_table(run(*qkv(requires_grad=True), mode="train")).totals
    scores = 2 * 4 * 16 * 16
    assert totals.macs == scores * 16
    assert totals.training_macs == scores * 16 + scores * 32
    assert totals.recomputed_macs == scores * 8


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("masked", [False, True])
def test_fused_and_separate_attention_have_the_same_products(mode, masked):
    mask = torch.ones(16, 16, dtype=torch.bool) if masked else None
    tensors = qkv(requires_grad=mode == "train")
    fused = layer_table(run(*tensors, mode=mode, attn_mask=mask)).totals
    separate = layer_table(run(*tensors, mode=mode, attn_mask=mask, attention="math")).totals
    assert (fused.macs, fused.training_macs) == (separate.macs, separate.training_macs)


def test_torch_counts_the_same_products():
    tensors = qkv(requires_grad=True)
    counter = FlopCounterMode(display=False)
    with counter:  # on meta tensors torch runs separate products
        F.scaled_dot_product_attention(*tensors).sum().backward()
    assert counter.get_total_flops() == 2 * layer_table(run(*tensors, mode="train")).totals.training_macs


# The tensors and arguments, and the kernel that torch's conditions choose on CUDA (sdp_utils.cpp), or what prevents it.
HALF = {"dtype": torch.bfloat16}
CHOICES = {
    "float32": (qkv(), {}, "efficient"),
    "bfloat16": (qkv(**HALF), {}, "flash"),
    "float16, causal": (qkv(dtype=torch.float16), {"is_causal": True}, "flash"),
    "bfloat16 with a mask": (qkv(**HALF), {"attn_mask": torch.ones(16, 16, dtype=torch.bool)}, "efficient"),
    "bfloat16, causal, not square": (qkv(keys=24, **HALF), {"is_causal": True}, "efficient"),
    "heads of 320 in bfloat16": (qkv((1, 2, 16, 320), **HALF), {}, "efficient"),
    "grouped heads in bfloat16": (qkv(heads=2, **HALF), {"enable_gqa": True}, "flash"),
    "dropout": (qkv(), {"dropout_p": 0.1}, "efficient"),
    "grouped heads in float32": (qkv(heads=2), {"enable_gqa": True}, "efficient"),
    "one head of keys in float32": (qkv(heads=1), {}, "efficient"),
    "one head of keys in bfloat16": (qkv(heads=1, **HALF), {}, "flash"),
    "heads of 6": (qkv((1, 2, 16, 6)), {}, "heads of 6 in float32"),
    "three dimensions": (tuple(x[0] for x in qkv()), {}, "efficient"),
    "five dimensions": (tuple(x[None] for x in qkv()), {}, "tensors of 5 dimensions"),
    "float64": (qkv(dtype=torch.float64), {}, "dtype float64"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_kernel_is_the_one_that_torch_chooses_on_cuda(name):
    tensors, arguments, expected = CHOICES[name]
    record = run(*tensors, **arguments)
    assert expected in (record.attention_kernels or record.unfused_attention)
    is_fused = any("_scaled_dot_product" in operation.name for operation in record.operations)
    assert is_fused == bool(record.attention_kernels)


def test_separate_products_are_a_caveat_that_says_why():
    model = Call(lambda q, k, v: F.scaled_dot_product_attention(q, k, v))
    summary = archbench.summarize(model, tuple(x[None] for x in qkv()))
    expected = "Call: attention as separate products, which torch does not fuse for tensors of 5 dimensions"
    assert summary.caveats == (expected,)


def test_a_model_that_disables_the_kernels_runs_separate_products():
    def attend(q, k, v):
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return F.scaled_dot_product_attention(q, k, v)

    record = trace(Call(attend), qkv(), optimizer=None)
    assert record.unfused_attention == ("kernels disabled by the model",)


SHAPES = {
    "equal": [(2, 4, 6, 8)] * 3,
    "cross": [(2, 4, 6, 8), (2, 4, 5, 8), (2, 4, 5, 8)],
    "groups": [(2, 4, 6, 8), (2, 2, 6, 8), (2, 2, 6, 8)],
    "one head": [(2, 4, 6, 8), (2, 1, 6, 8), (2, 1, 6, 8)],
    "unequal heads of keys and values": [(2, 4, 6, 8), (2, 2, 6, 8), (2, 1, 6, 8)],
    "other values": [(2, 4, 6, 8), (2, 4, 6, 8), (2, 4, 6, 4)],
    "one batch": [(2, 4, 6, 8), (1, 4, 6, 8), (1, 4, 6, 8)],
}
MASKS = [None, (6, 6), (1, 6), (4, 6, 6), (1, 1, 6, 1), (2, 1, 6, 6), (3, 1, 6, 6), (7, 6)]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("enable_gqa", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64])
def test_the_kernel_for_cpus_runs_where_torch_chooses_it(name, enable_gqa, dtype):
    tensors = [torch.zeros(shape, dtype=dtype) for shape in SHAPES[name]]
    for mask_shape in MASKS:
        mask = None if mask_shape is None else torch.zeros(mask_shape)
        arguments = {"attn_mask": mask, "enable_gqa": enable_gqa}
        is_fused = torch._fused_sdp_choice(*tensors, **arguments) == SDPBackend.FLASH_ATTENTION.value
        kernels = AttentionKernels("auto", "cpu")
        with contextlib.suppress(RuntimeError):  # separate products refuse some
            kernels(*(tensor.to("meta") for tensor in tensors), attn_mask=mask, enable_gqa=enable_gqa)
        assert bool(kernels.log.kernels) == is_fused, mask_shape


@pytest.mark.parametrize("attention", ["auto", "fused"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": (2, 4, 16, 4)}, "size"),
        ({"v": (2, 4, 15, 8)}, "size"),
        ({"k": (2, 3, 16, 8), "v": (2, 3, 16, 8)}, "size"),
        ({"attn_mask": torch.zeros(16, 15)}, "broadcastable"),
        ({"attn_mask": torch.zeros(16, 16, dtype=torch.int64)}, "attn_mask dtype"),
        ({"attn_mask": torch.zeros(16, 16), "is_causal": True}, "is_causal"),
    ],
)
@pytest.mark.parametrize("device_kind", ["cuda", "cpu"])
def test_arguments_that_torch_refuses_are_refused(attention, changes, message, device_kind):
    shapes = {name: changes.get(name, (2, 4, 16, 8)) for name in "qkv"}
    arguments = {name: value for name, value in changes.items() if name not in shapes}
    tensors = [torch.empty(shape, device="meta") for shape in shapes.values()]
    with pytest.raises(archbench.errors.ForwardError, match=message):
        run(*tensors, attention=attention, device_kind=device_kind, **arguments)


@pytest.mark.parametrize("attention", ["fused", "math"])
def test_the_choice_can_be_overridden(attention):
    tensors = qkv(dtype=torch.float64)
    record = run(*tensors, attention=attention)
    assert bool(record.attention_kernels) == (attention == "fused")


def test_an_unknown_choice_is_refused():
    with pytest.raises(archbench.errors.UsageError, match="attention='flush' is not one of auto, fused, math"):
        archbench.summarize(nn.Linear(2, 2), torch.empty(1, 2), attention="flush")


def test_autocast_decides_the_kernel():
    model = Call(lambda q, k, v: F.scaled_dot_product_attention(q, k, v))
    record = trace(model, qkv(), autocast_dtype=torch.bfloat16)
    assert record.attention_kernels == ("flash",)


@pytest.mark.parametrize("need_weights", [False, True])
def test_multi_head_attention_is_fused_unless_it_returns_weights(need_weights):
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    model = Call(lambda x: layer(x, x, x, need_weights=need_weights)[0])
    record = trace(model, torch.empty(2, 5, 8))
    assert bool(record.attention_kernels) != need_weights


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_transformer_encoder_is_fused(mode):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    table = layer_table(trace(nn.TransformerEncoder(layer, 2), torch.empty(2, 5, 8), mode=mode))
    rows = [row for row in table.rows if row.type == ROW]
    # Two layers; 2 samples x 2 heads x 5 x 5 scores of 4 and 4 products.
    assert [row.macs for row in rows] == [2 * 2 * 25 * 8] * 2


def test_attention_on_real_data_has_the_values_of_torch():
    torch.manual_seed(0)
    tensors = [torch.randn(2, 4, 16, 8) for _ in range(3)]
    results = []

    def attend(q, k, v):
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        results.append(out.sum().item())  # needs values
        return out

    record = trace(Call(attend), tuple(tensors))
    assert record.real_data_reason is not None
    assert record.attention_kernels == ("cpu",)
    torch.testing.assert_close(results[-1], F.scaled_dot_product_attention(*tensors, is_causal=True).sum().item())


@pytest.mark.parametrize("device_kind", ["cuda", "cpu"])
@pytest.mark.parametrize("transposed", [False, True])
def test_the_result_lies_in_memory_as_the_kernel_leaves_it(device_kind, transposed):
    """The efficient kernel writes batch x length x heads x size; the one for CPUs follows the query."""
    strides = []

    def attend(q, k, v):
        out = F.scaled_dot_product_attention(q, k, v)
        strides.append(out.stride())
        return out

    tensors = qkv()
    model = Call(lambda *x: attend(*(y.transpose(1, 2).contiguous().transpose(1, 2) if transposed else y for y in x)))
    trace(model, tensors, device_kind=device_kind)
    heads_last, heads_first = (16 * 4 * 8, 8, 4 * 8, 1), (4 * 16 * 8, 16 * 8, 8, 1)
    assert strides[-1] == (heads_last if device_kind == "cuda" or transposed else heads_first)


def test_a_transformer_encoder_with_a_padding_mask_runs_without_data():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2)
    padding = torch.tensor([[False, False, False, True, True], [False] * 5])
    record = trace(encoder, {"src": torch.empty(2, 5, 8), "src_key_padding_mask": padding})
    assert record.real_data_reason is None
    macs = [op.macs for op in record.operations if "scaled_dot_product" in op.name]
    assert macs == [2 * 2 * 25 * 8] * 2
