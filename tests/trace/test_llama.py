"""Llama-3-8B, built from its configuration without weights: its published size and its products by hand."""

from __future__ import annotations

import pytest
import torch

import archbench

transformers = pytest.importorskip("transformers")

LAYERS, WIDTH, HEADS, KEY_HEADS, HIDDEN, WORDS = 32, 4096, 32, 8, 14336, 128256
HEAD = WIDTH // HEADS

# Each token meets queries and output, keys and values, the gated feed-forward part of every layer, and the output.
PER_TOKEN = LAYERS * (2 * WIDTH * WIDTH + 2 * WIDTH * KEY_HEADS * HEAD + 3 * WIDTH * HIDDEN) + WORDS * WIDTH


def attention(queries, keys):
    return LAYERS * HEADS * queries * keys * 2 * HEAD


@pytest.fixture(scope="module")
def llama():
    config = transformers.LlamaConfig(
        hidden_size=WIDTH,
        intermediate_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        vocab_size=WORDS,
        max_position_embeddings=8192,
    )
    with torch.device("meta"):
        return transformers.LlamaForCausalLM(config).eval()


@pytest.mark.parametrize("has_mask", [False, True])
def test_llama_3_8b_reads_2048_tokens(llama, has_mask):
    inputs = {"input_ids": torch.zeros(1, 2048, dtype=torch.int64)}
    if has_mask:
        inputs["attention_mask"] = torch.ones(1, 2048, dtype=torch.int64)
    summary = archbench.summarize(llama, inputs)
    assert summary.totals.params == 8_030_261_248
    assert summary.totals.macs == 2048 * PER_TOKEN + attention(2048, 2048) == 16_469_052_096_512
    assert summary.real_data_reason is None


def test_llama_3_8b_decodes_a_token_with_a_cache_of_2048(llama):
    cache = transformers.DynamicCache(config=llama.config)
    for layer in range(LAYERS):
        cache.update(*(torch.empty(1, KEY_HEADS, 2048, HEAD, device="meta") for _ in range(2)), layer)
    inputs = {"input_ids": torch.zeros(1, 1, dtype=torch.int64), "past_key_values": cache, "use_cache": True}
    assert archbench.summarize(llama, inputs).totals.macs == PER_TOKEN + attention(1, 2049)
    assert cache.get_seq_length() == 2048


def test_llama_3_8b_is_one_line_per_layer_of_a_block(llama):
    text = str(archbench.summarize(llama, {"input_ids": torch.zeros(1, 16, dtype=torch.int64)}))
    assert "model.layers.0 … 31 ×32" in text
    assert text.count("\n") < 60
