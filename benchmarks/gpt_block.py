"""A block of GPT-2 (small), whose products can be counted by hand.

With T positions and d features: the projection to queries, keys and values takes T·d·3d, the scores and the weighted
values T·T·d each, the output projection T·d·d, the two layers of the MLP T·d·4d each. In all 12·T·d² + 2·T²·d: for
T = 128 and d = 768, 905,969,664 + 25,165,824 = 931,135,488 MACs. The causal mask is not subtracted.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

POSITIONS, WIDTH = 128, 768


class GPTBlock(nn.Module):
    """Causal self-attention and an MLP, each after a normalisation and added to its input."""

    def __init__(self, width: int = WIDTH, heads: int = 12) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return N×T×d of N×T×d."""
        x = x + self._attention(self.ln_1(x))
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out

    def _attention(self, x: Tensor) -> Tensor:
        samples, positions, width = x.shape
        heads = (samples, positions, self.heads, width // self.heads)
        query, key, value = (part.view(heads).transpose(1, 2) for part in self.c_attn(x).split(width, dim=2))
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: Tensor = self.c_proj(attended.transpose(1, 2).reshape(x.shape))
        return out


def example_inputs(batch: int) -> Tensor:
    """Return the features of 128 positions."""
    return torch.randn(batch, POSITIONS, WIDTH)
