"""The inputs of a model: from text, from its card, and the smallest that would have worked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from archbench.errors import ForwardError, InputError, nearest
from archbench.trace.tracer import trace
from archbench.units import format_dimensions

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128,
        torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
    )
}  # fmt: skip

LARGEST_SEARCHED = 512


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input: the shape of a sample and a dtype."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def tensor(self, batch: int) -> Tensor:
        """Return a tensor without data, with the batch in front."""
        return torch.empty((batch, *self.shape), dtype=self.dtype, device="meta")


def parse_input(text: str) -> InputSpec:
    """Return the input that `SHAPE[:DTYPE]` describes, such as `3x224x224` or `128:int64`.

    Raises InputError if it is malformed.
    """
    shape, colon, dtype = text.partition(":")
    if re.fullmatch(r"[1-9][0-9]*(x[1-9][0-9]*)*", shape, re.ASCII) is None:
        raise InputError(
            f"'{text}' is no input shape; write sizes without the batch, joined by x, such as 3x224x224 or 128:int64"
        )
    if colon and dtype not in DTYPES:
        hint = nearest(dtype, DTYPES) or f"; there are {', '.join(DTYPES)}"
        raise InputError(f"'{text}' names no dtype that is known{hint}")
    return InputSpec(tuple(int(size) for size in shape.split("x")), DTYPES[dtype] if colon else torch.float32)


def advice(model: nn.Module, specs: Sequence[InputSpec], usual: tuple[int, ...] | None) -> str:
    """Return what to give a model that failed on `specs`: the smallest square size that works, its usual input.

    Every size up to the usual one (or 512) is tried, on tensors without data. `""` where nothing is known.
    """
    smallest = _smallest(model, specs, max(usual[-1] if usual else 0, LARGEST_SEARCHED))
    if usual is not None and smallest == usual:
        return f"{format_dimensions(usual)}, its usual input, is the smallest that works"
    known = [] if usual is None else [f"{format_dimensions(usual)} is its usual input"]
    found = [] if smallest is None else [f"{format_dimensions(smallest)} is the smallest square input that works"]
    return ", ".join((*found, *known))


def _smallest(model: nn.Module, specs: Sequence[InputSpec], largest: int) -> tuple[int, ...] | None:
    if len(specs) != 1 or len(specs[0].shape) != 3:
        return None
    channels = specs[0].shape[0]
    for size in range(1, largest + 1):
        spec = InputSpec((channels, size, size), specs[0].dtype)
        try:
            trace(model, (spec.tensor(1),))
        except ForwardError:
            continue
        return spec.shape
    return None
