"""Seed every random generator, and save and restore their states."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_all(seed: int, rank: int = 0) -> None:
    """Seed torch, CUDA, numpy and Python; each rank gets numbers of its own, for its dropout masks."""
    seed += 1_000_003 * rank
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextmanager
def preserved_random_states() -> Iterator[None]:
    """Restore the caller's random states on exit."""
    states = random_states()
    try:
        yield
    finally:
        restore(states)


def random_states() -> dict[str, Any]:
    """Return the states of all generators, as tensors and plain values."""
    version, internal, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if _has_cuda() else None,
        "numpy": {**numpy, "state": {**numpy["state"], "key": numpy["state"]["key"].tolist()}},
        "python": [version, list(internal), gauss],
    }


def _has_cuda() -> bool:
    """Return whether CUDA is in use, without initialising it."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]  # torch's


def restore(states: dict[str, Any]) -> None:
    """Restore what `random_states` returned."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"])
    np.random.set_state(states["numpy"])
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
