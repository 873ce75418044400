"""The precisions of a run, by the names that `dtype` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from archbench.errors import choose

if TYPE_CHECKING:
    import torch


PrecisionName = Literal["fp32", "tf32", "bf16", "fp16", "amp", "amp-fp16"]


@dataclass(frozen=True, slots=True)
class Precision:
    """The dtypes of storage and of products.

    `model` is the dtype of parameters and inputs, `autocast` that of products under autocast or None; both are torch's
    names. `tf32` rounds 32-bit products to TensorFloat-32.
    """

    name: PrecisionName
    model: str
    autocast: str | None = None
    tf32: bool = False

    @property
    def model_dtype(self) -> torch.dtype:
        """The dtype of parameters and floating-point inputs."""
        return _dtype(self.model)

    @property
    def product_dtype(self) -> str:
        """The dtype of most products, as devices' peaks are named: fp32, tf32, bf16 or fp16."""
        short = {"float32": "tf32" if self.tf32 else "fp32", "bfloat16": "bf16", "float16": "fp16"}
        return short[self.autocast or self.model]

    @property
    def autocast_dtype(self) -> torch.dtype | None:
        """The dtype of products under autocast, or None."""
        return None if self.autocast is None else _dtype(self.autocast)


PRECISIONS: dict[str, Precision] = {
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
    """Return the precision of this name. Raises UsageError, with the nearest name, for an unknown one."""
    return PRECISIONS[choose("dtype", name, PRECISIONS)]


def _dtype(name: str) -> torch.dtype:
    import torch

    dtype = getattr(torch, name)
    assert isinstance(dtype, torch.dtype)
    return dtype
