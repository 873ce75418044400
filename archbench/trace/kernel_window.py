"""Kernel, stride, padding, groups and dilation, read from the call of a convolution or pooling operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archbench.trace.records import Window

_POOLING = frozenset(
    f"aten.{name}"
    for name in (
        "max_pool2d_with_indices",
        "max_pool3d_with_indices",
        "avg_pool2d",
        "avg_pool3d",
    )
)


def window_of(operator: str, args: Sequence[Any]) -> Window | None:
    """Return the window of a call, None for operators that slide no window.

    `args` are the positional arguments of the operator's ATen schema: convolution(input, weight, bias,
    stride, padding, dilation, transposed, output_padding, groups), max_pool(input, kernel, stride=kernel, padding=0,
    dilation=1, ceil_mode=False), avg_pool(input, kernel, stride=kernel, padding=0, ceil_mode=False).
    """
    if operator == "aten.convolution":
        kernel = tuple(args[1].shape[2:])
        dimensions = len(kernel)
        stride, padding, dilation = (per_dimension(value, dimensions) for value in args[3:6])
        output_padding = per_dimension(args[7], dimensions) if args[6] else None
        return Window(kernel, stride, padding, args[8], dilation, output_padding=output_padding)
    if operator in _POOLING:
        dimensions = 3 if "3d" in operator else 2
        kernel = per_dimension(args[1], dimensions)
        stride = per_dimension(args[2], dimensions) if len(args) > 2 and args[2] else kernel
        padding = per_dimension(args[3], dimensions) if len(args) > 3 else (0,) * dimensions
        dilates = "max" in operator
        dilation = per_dimension(args[4], dimensions) if dilates and len(args) > 4 else (1,) * dimensions
        ceil_mode = args[4 + dilates : 5 + dilates]
        return Window(kernel, stride, padding, None, dilation, rounds_up=bool(ceil_mode and ceil_mode[0]))
    return None


def per_dimension(value: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    """Return one value per dimension; ATen accepts `2`, `[2]` and `[2, 2]`."""
    if isinstance(value, int):
        return (value,) * dimensions
    return tuple(value) * dimensions if len(value) == 1 else tuple(value)
