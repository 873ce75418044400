"""`flex_attention` is recorded as the one kernel that torch.compile makes of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import AuxRequest, create_block_mask, flex_attention
from torch.utils.checkpoint import checkpoint

import archbench
from archbench.analyze.layers import layer_table
from archbench.errors import ForwardError
from archbench.trace.tracer import trace
from tests.helpers.models import Call

# Batch 2, 4 heads of 16 features, 512 tokens: that many scores, each with two products of 16 MACs.
SHAPE = (2, 4, 512, 16)
SCORES = 2 * 4 * 512 * 512
MACS = SCORES * (16 + 16)


class Attention(nn.Module):
    """Projects and attends, on real data if it `reads` a value."""

    def __init__(self, reads=False, **arguments):
        super().__init__()
        self.project = nn.Linear(64, 64)
        self.reads, self.arguments = reads, arguments

    def forward(self, x):
        if self.reads and x.sum() > 1e9:
            return x
        heads = self.project(x).view(2, 512, 4, 16).transpose(1, 2)
        return flex_attention(heads, heads, heads, **self.arguments)


def table(mode="train", **arguments):
    return layer_table(trace(Attention(**arguments), torch.zeros(2, 512, 64), mode=mode, optimizer=None))


def attention(table):
    return next(row for row in table.rows if row.name == "./flex_attention")


def causal(_batch, _head, query, key):
    return query >= key


def causal_mask():
    return create_block_mask(causal, None, None, 512, 512, device="cpu")


@pytest.mark.parametrize("reads", [False, True], ids=["without data", "on real data"])
def test_flex_attention_is_one_kernel_forward_and_backward(reads):
    trained = table(reads=reads)
    assert attention(trained).macs == MACS
    # The projection has a gradient for its weights alone; attention four products for two, and one again.
    projection = 2 * 512 * 64 * 64
    assert trained.totals.training_macs == 2 * projection + 3 * MACS
    assert trained.totals.recomputed_macs == SCORES * 16


@pytest.mark.parametrize("call", [flex_attention, torch.compile(flex_attention)], ids=["eager", "compiled"])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_its_products_and_memory_are_those_of_the_flash_kernel(call, mode):
    tensors = [torch.empty(SHAPE, dtype=torch.bfloat16, requires_grad=mode == "train") for _ in range(3)]
    flex, flash = (
        layer_table(trace(Call(function), tuple(tensors), mode=mode, optimizer=None)).totals
        for function in (lambda *qkv: call(*qkv), F.scaled_dot_product_attention)
    )
    assert (flex.macs, flex.flops, flex.training_macs, flex.recomputed_macs) == (
        flash.macs, flash.flops, flash.training_macs, flash.recomputed_macs,
    )  # fmt: skip
    peaks = [totals.peak_training_bytes or totals.peak_inference_bytes for totals in (flex, flash)]
    # Flash attention also keeps the state of its random numbers, and the sums of the 4,096 rows in inference too.
    assert 0 <= peaks[1] - peaks[0] <= 2 * 4 * 512 * 4 + 64


@pytest.mark.parametrize("reads", [False, True], ids=["without data", "on real data"])
def test_the_blocks_that_a_mask_keeps_are_counted(reads):
    # 4 x 4 blocks of 128, of which 10 are on the diagonal or below.
    masked = table(reads=reads, block_mask=causal_mask())
    assert attention(masked).macs == MACS * 10 // 16
    assert masked.totals.recomputed_macs == SCORES * 10 // 16 * 16


class Masked(Attention):
    """Makes a causal mask of the positions, plus `offset(x)`."""

    def __init__(self, offset):
        super().__init__()
        self.offset = offset

    def forward(self, x):
        offset = self.offset(x)
        mask = lambda _batch, _head, query, key: query + offset >= key  # noqa: E731
        self.arguments["block_mask"] = create_block_mask(mask, None, None, 512, 512, device=x.device)
        return super().forward(x)


def test_a_mask_that_forward_makes_of_positions_has_values():
    summary = archbench.summarize(Masked(lambda _: 0), torch.zeros(2, 512, 64))
    assert attention(summary.table).macs == MACS * 10 // 16
    assert summary.caveats == ()


def test_all_scores_are_counted_with_a_caveat_where_the_mask_has_no_values():
    summary = archbench.summarize(Masked(lambda x: x.sum()), torch.zeros(2, 512, 64))
    assert attention(summary.table).macs == MACS
    assert "flex_attention: all scores were counted" in summary.caveats[-1]


def test_blocks_that_reach_beyond_the_sequence_count_as_far_as_it_goes():
    q = torch.empty(1, 1, 96, 16)
    mask = create_block_mask(causal, None, None, 96, 96, device="cpu")
    record = trace(Call(lambda q: flex_attention(q, q, q, block_mask=mask)), q)
    assert [operation.macs for operation in record.operations] == [96 * 96 * 32]


def test_grouped_heads_are_not_repeated():
    q, k = torch.empty(SHAPE), torch.empty(2, 2, 512, 16)
    record = trace(Call(lambda q, k: flex_attention(q, k, k, enable_gqa=True)), (q, k))
    (operation,) = record.operations
    assert (operation.macs, operation.read_bytes) == (MACS, (q.numel() + 2 * k.numel()) * 4)


@pytest.mark.parametrize("reads", [False, True], ids=["without data", "on real data"])
def test_the_sums_and_maxima_have_a_value_for_each_query(reads):
    outputs = []

    class Read(Attention):
        def forward(self, x):
            outputs.append(super().forward(x))
            return outputs[-1][0]

    trace(Read(reads, return_aux=AuxRequest(lse=True, max_scores=True)), torch.zeros(2, 512, 64))
    _out, auxiliary = outputs[-1]
    assert auxiliary.lse.shape == auxiliary.max_scores.shape == (2, 4, 512)


class Biased(Attention):
    """Adds a learned bias for each head."""

    def __init__(self, reads=False):
        super().__init__(reads, score_mod=lambda score, _b, head, query, key: score + self.bias[head] * (query - key))
        self.bias = nn.Parameter(torch.ones(4))


@pytest.mark.parametrize("reads", [False, True], ids=["without data", "on real data"])
def test_a_learned_bias_is_read_and_has_a_gradient(reads):
    trained = layer_table(trace(Biased(reads), torch.zeros(2, 512, 64), mode="train", optimizer=None))
    assert trained.unread == ()
    assert attention(trained).macs == MACS
    gradients = [
        s for s in trace(Biased(reads), torch.zeros(2, 512, 64), mode="train").storages if s.kind == "gradient"
    ]
    assert sorted(gradient.size_bytes for gradient in gradients) == [4 * 4, 64 * 4, 64 * 64 * 4]


def test_flex_attention_runs_in_half_precision_under_autocast():
    record = trace(Attention(), torch.zeros(2, 512, 64), autocast_dtype=torch.bfloat16)
    kernel = next(operation for operation in record.operations if operation.name == "higher_order.flex_attention")
    assert {info.dtype for info in kernel.inputs} == {torch.bfloat16}


def test_checkpointed_flex_attention_runs_again():
    class Checkpointed(Attention):
        def forward(self, x):
            return checkpoint(super().forward, x, use_reentrant=False)

    x = torch.empty(2, 512, 64, requires_grad=True)
    totals = [
        layer_table(trace(model, x, mode="train", optimizer=None)).totals for model in (Attention(), Checkpointed())
    ]
    assert totals[1].training_macs == totals[0].training_macs + totals[0].macs


def test_a_checkpoint_runs_again_with_a_model_that_a_function_hides():
    hidden = Attention()
    model = Call(lambda x: checkpoint(hidden, x, use_reentrant=False))
    x = torch.zeros(2, 512, 64, requires_grad=True)
    totals = layer_table(trace(model, x, mode="train", optimizer=None)).totals
    # Products of forward, which run again, and the gradient of the projection's input; its weights are external.
    projection = 2 * 512 * 64 * 64
    assert totals.training_macs == 2 * (projection + MACS) + projection + 2 * MACS


def test_shapes_that_torch_refuses_are_refused():
    q, k = torch.empty(SHAPE), torch.empty(2, 2, 512, 16)
    with pytest.raises(ForwardError, match="equal numbers of heads, or a multiple with enable_gqa: 4, 2"):
        trace(Call(lambda q, k: flex_attention(q, k, k)), (q, k))


def test_torchs_own_function_is_the_same_afterwards():
    q = torch.randn(1, 1, 4, 8)
    expected = F.scaled_dot_product_attention(q, q, q)
    archbench.summarize(Call(lambda q: flex_attention(q, q, q)), q)
    torch.testing.assert_close(flex_attention(q, q, q), expected)
    with pytest.raises(NotImplementedError, match="does not support backward on CPU"):
        flex_attention(q.requires_grad_(), q, q)


def test_the_summary_states_the_kernel():
    assert "attention fused (torch.compile)" in str(archbench.summarize(Attention(), torch.zeros(2, 512, 64))).replace(
        "\n", " "
    )


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_transformer_has_the_same_products_with_flex_attention(mode):
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        num_hidden_layers=2, hidden_size=64, intermediate_size=128, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=100,
    )  # fmt: skip
    tokens = {"input_ids": torch.zeros(2, 16, dtype=torch.long)}
    macs = set()
    for implementation in ("flex_attention", "sdpa", "eager"):
        with torch.device("meta"):
            model = transformers.LlamaForCausalLM._from_config(config, attn_implementation=implementation)
        totals = archbench.summarize(model, tokens, mode=mode).totals
        macs.add((totals.macs, totals.training_macs))
    assert len(macs) == 1
