"""Twenty small modules whose multiply-accumulates are derived beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it


class Functional(nn.Module):
    """A module that computes `function(parameters, input)`."""

    def __init__(self, function: Callable[..., Any], *shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        self.weights = nn.ParameterList(torch.randn(shape) for shape in shapes)

    def forward(self, x: Tensor) -> Any:
        """Return the function of the parameters and the input."""
        return self.function(*self.weights, x)


class Repeated(nn.Module):
    """One linear layer, called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer three times."""
        out: Tensor = self.layer(self.layer(self.layer(x)))
        return out


class DirectForward(nn.Module):
    """A layer whose forward is called without the module's own call."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        """Skip hooks."""
        out: Tensor = self.layer.forward(x)
        return out


class GRUSteps(nn.Module):
    """A GRU cell stepped over a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(4, 8)

    def forward(self, x: Tensor) -> Tensor:
        """Return the last state of N×T×4."""
        state = x.new_zeros(x.shape[0], 8)
        for step in x.unbind(1):
            state = self.cell(step, state)
        return state


class SelfAttention(nn.Module):
    """torch's multi-head attention of a sequence with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the attended sequence."""
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


class Bilinear(nn.Module):
    """A bilinear form of an input with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.form = nn.Bilinear(4, 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Return N×5."""
        out: Tensor = self.form(x, x)
        return out


def attention_scores(x: Tensor) -> Tensor:
    """Return q·k of N×H×T×D with itself, by einsum."""
    return torch.einsum("bhqd,bhkd->bhqk", x, x)


@dataclass(frozen=True)
class Case:
    """A module, its input, and the multiply-accumulates of its definition with their derivation."""

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    macs: int
    derivation: str


CASES = (
    Case("Conv2d with bias", lambda: nn.Conv2d(3, 8, 3), (1, 3, 8, 8), 7776, "8·6·6 outputs × 3·3·3"),
    Case("Conv2d, two groups", lambda: nn.Conv2d(4, 8, 3, groups=2), (1, 4, 8, 8), 5184, "8·6·6 × 2·3·3"),
    Case("Conv1d, dilated, 'same'", lambda: nn.Conv1d(4, 4, 3, padding="same", dilation=2), (1, 4, 9), 432, "4·9 × 4·3"),
    Case("ConvTranspose2d", lambda: nn.ConvTranspose2d(4, 3, 4, stride=2), (1, 4, 5, 5), 4800, "4·5·5 inputs × 3·4·4"),
    Case("Linear on a sequence", lambda: nn.Linear(8, 16), (2, 5, 8), 1280, "2·5 × 8·16"),
    Case("F.linear on own weight", lambda: Functional(lambda w, x: F.linear(x, w), (16, 8)), (2, 8), 256, "2 × 8·16"),
    Case("F.conv2d on own weight", lambda: Functional(lambda w, x: F.conv2d(x, w), (4, 3, 3, 3)), (1, 3, 8, 8), 3888, "4·6·6 × 27"),
    Case("x @ w", lambda: Functional(lambda w, x: x @ w, (8, 16)), (2, 8), 256, "2 × 8·16"),
    Case("torch.addmm_, in place", lambda: Functional(lambda w, x: torch.zeros(2, 16).addmm_(x, w), (8, 16)), (2, 8), 256, "2 × 8·16"),
    Case("torch.baddbmm", lambda: Functional(lambda b, x: torch.baddbmm(b, x, x.mT), (3, 5, 5)), (3, 5, 8), 600, "3 × 5·8·5"),
    Case("torch.mv", lambda: Functional(lambda w, x: torch.mv(w, x), (16, 8)), (8,), 128, "16·8"),
    Case("einsum bhqd,bhkd->bhqk", lambda: Functional(attention_scores), (2, 2, 5, 4), 400, "2·2 × 5·5·4"),
    Case("scaled_dot_product_attention", lambda: Functional(lambda x: F.scaled_dot_product_attention(x, x, x)), (2, 2, 5, 4), 800, "2·2 × 5·5·(4 + 4)"),
    Case("MultiheadAttention", SelfAttention, (2, 5, 8), 3360, "10·(3·64 + 64) + 2·2 × 5·5·(4 + 4)"),
    Case("TransformerEncoderLayer", lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8), 5920, "attention 3360 + 10·2·8·16"),
    Case("LSTM", lambda: nn.LSTM(4, 8, batch_first=True), (2, 5, 4), 3840, "2·5 × 4·8·(4 + 8)"),
    Case("GRUCell, five steps", GRUSteps, (2, 5, 4), 2880, "2·5 × 3·8·(4 + 8)"),
    Case("Bilinear", Bilinear, (2, 4), 200, "2·5 × (4·4 + 4)"),
    Case("One layer called three times", Repeated, (2, 8), 384, "3 × 2 × 8·8"),
    Case("layer.forward(x)", DirectForward, (2, 8), 128, "2 × 8·8"),
)  # fmt: skip
