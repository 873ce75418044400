"""The processes that train one model together, by torchrun's environment variables; usually just one.

Plain DistributedDataParallel: every process has the whole model and its share of each batch, gradients are averaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed


@dataclass(frozen=True, slots=True)
class World:
    """How many processes there are, and which this is: the first writes files and speaks."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes what all have made."""
        return self.rank == 0

    def mean(self, value: float) -> float:
        """Return the mean of every process's value."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=_device())
        distributed.all_reduce(total)
        return float(total) / self.size

    def any(self, flag: bool) -> bool:
        """Say whether it holds in any process: all of them get the same answer, and so do the same."""
        return self.mean(float(flag)) > 0

    def broadcast(self, value: Any) -> Any:
        """Return the first process's value."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=_device())
        return box[0]


@contextmanager
def joined(kind: str) -> Iterator[World]:
    """Join the processes that torchrun started, if it did; they part at the end."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    if kind == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield World(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()


def is_first_process() -> bool:
    """Say whether this process is the only one, or the first that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def restarts() -> int:
    """Return how often torchrun has started these processes anew after one of them had ended."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _device() -> torch.device:
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")
