"""Models of diffusers, small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from foreign import of_diffusers

from libraries.case import Case


def cases() -> Iterator[Case]:
    """Yield the models that benchmarks/foreign.py has, and transformers for diffusion."""
    for name, build, inputs in of_diffusers():
        yield Case("diffusers", name, build, partial(_same, inputs))


def _same(inputs: Callable[[], Any], batch: int) -> Any:  # they come as one sample
    return inputs()
