"""Everything random about a training, made a function of the seed, and kept where it goes on."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed_all(seed: int, rank: int = 0) -> None:
    """Seed torch, CUDA, numpy and Python; processes that train together differ from each other in what they drop."""
    torch.manual_seed(seed + 1_000_003 * rank)
    np.random.seed((seed + 1_000_003 * rank) % 2**32)
    random.seed(seed + 1_000_003 * rank)


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
    """Say whether CUDA is used; to ask for more would start it."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]  # torch's


def restore(states: dict[str, Any]) -> None:
    """Go on from what `random_states` returned."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"])
    np.random.set_state(states["numpy"])
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
