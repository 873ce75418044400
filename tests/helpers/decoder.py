"""A decoder of 70 billion parameters from plain modules, with the arithmetic of its parameters and MACs."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

LAYERS, WIDTH, HEADS, KEY_HEADS, HIDDEN, WORDS = 80, 8192, 64, 8, 28672, 128256
HEAD = WIDTH // HEADS

# A layer's matrices: queries and output, keys and values, three of the gated feed-forward part.
MATRICES = 2 * WIDTH * WIDTH + 2 * WIDTH * KEY_HEADS * HEAD + 3 * WIDTH * HIDDEN
# Two norms a layer and a last one; embedding and output are two matrices.
PARAMS = LAYERS * (MATRICES + 2 * WIDTH) + WIDTH + 2 * WORDS * WIDTH


def macs(tokens: int) -> int:
    """Return every matrix times every token, the output's too, and the scores times queries, keys and values."""
    return tokens * (LAYERS * MATRICES + WORDS * WIDTH) + LAYERS * 2 * tokens * tokens * WIDTH


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.key = nn.Linear(WIDTH, KEY_HEADS * HEAD, bias=False)
        self.value = nn.Linear(WIDTH, KEY_HEADS * HEAD, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x):
        batch, tokens, _ = x.shape
        q, k, v = (part(x).view(batch, tokens, -1, HEAD).transpose(1, 2) for part in (self.query, self.key, self.value))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out(attended.transpose(1, 2).reshape(batch, tokens, WIDTH))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.attention = Attention()
        self.gate = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.up = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.RMSNorm(WIDTH)
        self.output = nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, indices):
        x = self.embedding(indices)
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x))


def example_inputs(batch):
    return torch.zeros(batch, 4096, dtype=torch.int64, device="meta")
