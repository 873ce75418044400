"""The processes that train one model together, from torchrun's environment variables; usually a single one.

Training is data-parallel (DistributedDataParallel): every process has the whole model and its share of each batch, and
gradients are averaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The rank of this process and the number of processes; only the first process writes files and reports."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files of all."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over all processes; every process gets the same. On a GPU the host does not wait for it."""
        if self.size == 1:
            return values
        distributed.all_reduce(values)
        return values / self.size

    def broadcast(self, value: Any) -> Any:
        """Return the value of the first process."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=_device())
        return box[0]


@contextmanager
def process_group(device: str) -> Iterator[ProcessGroup]:
    """Initialise torch.distributed under torchrun; destroy the group on exit."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ProcessGroup()
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield ProcessGroup(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()


def is_first_process() -> bool:
    """Return whether this process is the only one, or the first that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def restarts() -> int:
    """Return how often torchrun has restarted these processes after one of them had ended."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _device() -> torch.device:
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")
