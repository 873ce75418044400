"""Activation checkpointing: the forward pass keeps less, the backward pass computes it again."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from archbench.errors import UsageError, nearest


def checkpoint_modules(model: nn.Module, what: str) -> None:
    """Make parts of `model` checkpoints, for good: it is changed.

    `what` is either a number, for a model that is a `Sequential`: it runs in so many segments, of which all but the
    last are checkpoints (Chen et al. 2016: training deep nets with sublinear memory cost), and none begins with a layer
    that works in place, for it would spoil what the segment is computed from again; or paths of modules joined
    by commas, where `*` stands for anything. Raises UsageError if that names nothing.
    """
    if what.isdecimal():
        _divide(model, int(what))
        return
    modules = {path: module for path, module in model.named_modules() if path}
    for pattern in what.split(","):
        found = [module for path, module in modules.items() if fnmatchcase(path, pattern)]
        if not found:
            raise UsageError(f"'{pattern}' names no module to checkpoint{nearest(pattern, modules)}")
        for module in found:
            _wrap(module)


def _divide(model: nn.Module, segments: int) -> None:
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        raise UsageError(
            f"--checkpoint {segments} divides a Sequential; name modules of a {type(model).__name__} instead"
        )
    children = list(model.children())
    if not 1 <= segments <= len(children):
        raise UsageError(f"--checkpoint {segments} is no number of segments; there are {len(children)} layers")

    *checkpointed, last = _segments(children, segments)

    def forward(x: Tensor) -> Any:
        for segment in checkpointed:
            x = checkpoint(_run, segment, x, use_reentrant=False)
        return _run(last, x)

    model.forward = forward  # type: ignore[method-assign]  # on this instance only


def _segments(children: list[nn.Module], count: int) -> list[list[nn.Module]]:
    """Return consecutive segments of nearly equal length."""
    starts = sorted({_next_start(children, i * len(children) // count) for i in range(count)})
    ends = [*starts[1:], len(children)]
    return [children[start:end] for start, end in zip(starts, ends, strict=True)]


def _next_start(children: list[nn.Module], start: int) -> int:
    while 0 < start < len(children) - 1 and getattr(children[start], "inplace", False):
        start += 1
    return start


def _run(layers: list[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _wrap(module: nn.Module) -> None:
    inner = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(inner, *args, use_reentrant=False, **kwargs)

    module.forward = forward
