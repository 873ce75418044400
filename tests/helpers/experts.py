"""A small block of experts, which a router chooses among, for each way in which they run."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Stacked(nn.Module):
    """Experts as slices of two parameters, run in one of four forms."""

    def __init__(self, form: str, biases: bool = False) -> None:
        super().__init__()
        self.form = form
        self.up = nn.Parameter(torch.randn(4, 16, 32))
        self.down = nn.Parameter(torch.randn(4, 32, 16))
        self.bias = nn.Parameter(torch.randn(4, 32)) if biases else None

    def forward(self, x, chosen):
        return getattr(self, self.form)(x, chosen)

    def grouped(self, x, chosen):
        offsets = torch.zeros(4, dtype=torch.int32, device=x.device)
        rows = x.repeat_interleave(chosen.shape[1], dim=0)
        up = functional.grouped_mm(rows, self.up, offs=offsets)
        return functional.grouped_mm(up, self.down, offs=offsets).view(*chosen.shape, 16).sum(1)

    def gathered(self, x, chosen):
        experts = chosen.reshape(-1)
        up = torch.bmm(x.repeat_interleave(chosen.shape[1], dim=0).unsqueeze(1), self.up[experts])
        if self.bias is not None:
            up = up + self.bias[experts].unsqueeze(1)
        return torch.bmm(up, self.down[experts]).view(*chosen.shape, 16).sum(1)

    def sliced(self, x, chosen):
        out = torch.zeros_like(x)
        for expert in range(4):
            rows = torch.where(chosen == expert)[0]
            out.index_add_(0, rows, x[rows] @ self.up[expert] @ self.down[expert])
        return out

    def dense(self, x, chosen):
        weight = torch.zeros(x.shape[0], 4, device=x.device).scatter(1, chosen, 1.0)
        every = torch.bmm(torch.bmm(x.expand(4, *x.shape), self.up), self.down)
        return (every * weight.t().unsqueeze(-1)).sum(0)


class Listed(nn.ModuleList):
    """Experts as modules in a list, each called with the rows that were routed to it."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Linear(16, 32, False), nn.Linear(32, 16, False)) for _ in range(4))

    def run(self, x, chosen):
        out = torch.zeros_like(x)
        for i, expert in enumerate(self):
            rows = torch.where(chosen == i)[0]
            if len(rows):
                out.index_add_(0, rows, expert(x[rows]))
        return out


class Block(nn.Module):
    def __init__(self, experts: nn.Module) -> None:
        super().__init__()
        self.router, self.experts, self.shared = nn.Linear(16, 4, False), experts, nn.Linear(16, 16, False)

    def forward(self, x):
        tokens = x.reshape(-1, 16)
        chosen = self.router(tokens).topk(2, dim=-1).indices
        run = self.experts.run if isinstance(self.experts, Listed) else self.experts
        return self.shared(run(tokens, chosen))
