"""The inputs of a model: parsed from text, its usual input, and the smallest input that works."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from archbench.errors import ForwardError, InputError, nearest
from archbench.models.address import user_code_of
from archbench.trace.tracer import trace
from archbench.trace.values import NeedsDataError
from archbench.units import format_dimensions

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128,
        torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
    )
}  # fmt: skip

# Sizes tried first, to find one that works, and the time limit of the search for the smallest.
_PROBES = (512, 256, 128, 64, 32, 16, 8)
_SEARCH_S = 2.0


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input: the shape of a sample and a dtype."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def tensor(self, batch: int) -> Tensor:
        """Return a meta tensor with the batch as its first dimension. Raises InputError if it is too large."""
        try:
            return torch.empty((batch, *self.shape), dtype=self.dtype, device="meta")
        except (RuntimeError, TypeError) as error:
            shape = format_dimensions(self.shape)
            raise InputError(f"{shape} times a batch of {batch} is too large for a tensor") from error


def parse_input(text: str) -> InputSpec:
    """Parse `SHAPE[:DTYPE]`, such as `3x224x224` or `128:int64`.

    Raises InputError if it is malformed.
    """
    shape, colon, dtype = text.partition(":")
    if re.fullmatch(r"[1-9][0-9]*(x[1-9][0-9]*)*", shape, re.ASCII) is None:
        raise InputError(
            f"'{text}' is not a valid shape; write sizes without the batch, joined by x, such as 3x224x224 or 128:int64"
        )
    if colon and dtype not in DTYPES:
        hint = nearest(dtype, DTYPES) or f"; choose from {', '.join(DTYPES)}"
        raise InputError(f"'{text}' has an unknown dtype{hint}")
    return InputSpec(tuple(int(size) for size in shape.split("x")), DTYPES[dtype] if colon else torch.float32)


def specs_of(
    address: str, texts: Sequence[str], usual: tuple[int, ...] | None, *, has_example: bool
) -> list[InputSpec]:
    """Return the given inputs, or none for a model with its own example inputs, or else its usual input.

    Raises InputError for a malformed input, or if there is none at all.
    """
    specs = [parse_input(text) for text in texts]
    if specs or has_example:
        return specs
    if usual is None:
        in_file = ", or define example_inputs(batch) in its file" if user_code_of(address) else ""
        raise InputError(f"{address} has no usual input; give one, such as {{inputs}}{in_file}", inputs="3x224x224")
    return [InputSpec(usual)]


def shapes_without_batch(
    model: nn.Module, specs: Sequence[InputSpec], usual: tuple[int, ...] | None, batch: int
) -> list[str]:
    """Return the inputs of a model that failed on `specs` as text without the batch, if they were given with it.

    They were if their first size is 1 or the batch, and the model has a usual input of one dimension less or runs
    without that size. Returns an empty list otherwise.
    """
    with_batch = [len(spec.shape) > 1 and spec.shape[0] in (1, batch) for spec in specs]
    if not any(with_batch):
        return []
    shorter = [InputSpec(s.shape[1:], s.dtype) if cut else s for s, cut in zip(specs, with_batch, strict=True)]
    if not (_is_like(shorter, usual) or _runs(model, shorter)):
        return []
    suffixes = ["" if spec.dtype == torch.float32 else f":{str(spec.dtype).removeprefix('torch.')}" for spec in shorter]
    return [format_dimensions(spec.shape) + suffix for spec, suffix in zip(shorter, suffixes, strict=True)]


def _is_like(specs: Sequence[InputSpec], usual: tuple[int, ...] | None) -> bool:
    return usual is not None and len(specs) == 1 and len(specs[0].shape) == len(usual)


def _runs(model: nn.Module, specs: Sequence[InputSpec]) -> bool:
    try:
        trace(model, tuple(spec.tensor(1) for spec in specs), may_use_data=False)
    except (ForwardError, NeedsDataError):
        return False
    return True


def advice(model: nn.Module, specs: Sequence[InputSpec], usual: tuple[int, ...] | None) -> str:
    """Return advice for a model that failed on `specs`: the smallest square input that works, and its usual input.

    Sizes are tried on tensors without data, for two seconds at most. Returns `""` if nothing is known.
    """
    smallest, is_certain = _smallest(model, specs, usual)
    if usual is not None and smallest == usual and is_certain:
        return f"{format_dimensions(usual)}, its usual input, is the smallest that works"
    known = [] if usual is None else [f"{format_dimensions(usual)} is its usual input"]
    if smallest is None or smallest == usual:
        return ", ".join(known)
    what = "is the smallest square input that works" if is_certain else "works"
    return ", ".join((f"{format_dimensions(smallest)} {what}", *known))


def _smallest(
    model: nn.Module, specs: Sequence[InputSpec], usual: tuple[int, ...] | None
) -> tuple[tuple[int, ...] | None, bool]:
    """Return the smallest square image that works and True, one that works and False at the time limit, or None."""
    if len(specs) != 1 or len(specs[0].shape) != 3:
        return None, False
    channels = specs[0].shape[0]
    deadline = time.monotonic() + _SEARCH_S

    def works(size: int) -> bool:
        return _runs(model, [InputSpec((channels, size, size), specs[0].dtype)])

    probes = (usual[-1], *_PROBES) if usual else _PROBES
    working = next((size for size in probes if works(size)), None)
    if working is None:
        return None, False
    for size in range(1, working):
        if time.monotonic() > deadline:
            return (channels, working, working), False
        if works(size):
            return (channels, size, size), True
    return (channels, working, working), True
