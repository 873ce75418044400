"""The precisions that models are run in, by the names that commands take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archbench.errors import UsageError, nearest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Precision:
    """How numbers are kept and multiplied.

    `model` is the dtype of parameters and inputs, `autocast` that of products under autocast, else None; both by
    torch's names. `tf32` says that 32-bit products are rounded to TensorFloat-32.
    """

    name: str
    model: str
    autocast: str | None = None
    tf32: bool = False

    @property
    def model_dtype(self) -> torch.dtype:
        """The dtype of parameters and floating-point inputs."""
        return _dtype(self.model)

    @property
    def product_dtype(self) -> str:
        """The dtype that most products are in, by the names of devices' peaks: fp32, tf32, bf16 or fp16."""
        short = {"float32": "tf32" if self.tf32 else "fp32", "bfloat16": "bf16", "float16": "fp16"}
        return short[self.autocast or self.model]

    @property
    def autocast_dtype(self) -> torch.dtype | None:
        """The dtype of products under autocast, None without it."""
        return None if self.autocast is None else _dtype(self.autocast)


PRECISIONS = {
    precision.name: precision
    for precision in (
        Precision("fp32", "float32"),
        Precision("tf32", "float32", tf32=True),
        Precision("bf16", "bfloat16"),
        Precision("fp16", "float16"),
        Precision("amp", "float32", autocast="bfloat16"),
        Precision("amp-fp16", "float32", autocast="float16"),
    )
}


def find_precision(name: str) -> Precision:
    """Return the precision of that name. Raises UsageError, naming the nearest, if there is none."""
    if name not in PRECISIONS:
        hint = nearest(name, PRECISIONS) or f"; there are {', '.join(PRECISIONS)}"
        raise UsageError(f"'{name}' is no dtype to run in{hint}")
    return PRECISIONS[name]


def _dtype(name: str) -> torch.dtype:
    import torch

    dtype = getattr(torch, name)
    assert isinstance(dtype, torch.dtype)
    return dtype
