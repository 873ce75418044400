"""Models for several files of tests: of one function, and such that need real data."""

from __future__ import annotations

import torch
from torch import nn


class Call(nn.Module):
    """A module whose forward is one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


class ReadsValues(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        self.count += 1
        return self.layer(x) if x.sum() < 1e9 else x


class Hesitant(nn.Module):
    """Runs a module only after it has looked at a value."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return x if x.flatten()[0] > 1e9 else self.module(x)
