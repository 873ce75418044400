"""Activation checkpointing: discard activations in the forward pass and recompute them in the backward pass."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as run_checkpointed

from archbench.errors import UsageError, nearest


def checkpoint_modules(model: nn.Module, checkpoint: str) -> None:
    """Checkpoint parts of `model`, in place.

    `checkpoint` is either a number of segments, for a `Sequential`, or paths of modules joined by commas, where `*`
    matches anything. All segments but the last are checkpointed (Chen et al. 2016: training deep nets with sublinear
    memory cost); none begins with an in-place layer, which would overwrite the input that it is recomputed from.
    Raises UsageError for another model than a `Sequential`, a wrong number, and a path that matches no module.
    """
    if checkpoint.isdecimal():
        _divide(model, int(checkpoint))
        return
    modules = {path: module for path, module in model.named_modules() if path}
    for pattern in checkpoint.split(","):
        matches = [module for path, module in modules.items() if fnmatchcase(path, pattern)]
        if not matches:
            raise UsageError(f"{{checkpoint}} matches no module{nearest(pattern, modules)}", checkpoint=pattern)
        for module in matches:
            _wrap(module)


def _divide(model: nn.Module, segments: int) -> None:
    if not isinstance(model, nn.Sequential) or type(model).forward is not nn.Sequential.forward:
        kind = type(model).__name__
        raise UsageError(
            f"{{checkpoint}} divides a Sequential into segments; name modules of a {kind} instead",
            checkpoint=str(segments),
        )
    children = list(model.children())
    if not 1 <= segments <= len(children):
        raise UsageError(
            f"{{checkpoint}} is not a number of segments from 1 to {len(children)}", checkpoint=str(segments)
        )

    *checkpointed, last = _segments(children, segments)

    def forward(x: Tensor) -> Any:
        for segment in checkpointed:
            x = run_checkpointed(_run, segment, x, use_reentrant=False)
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
        return run_checkpointed(inner, *args, use_reentrant=False, **kwargs)

    module.forward = forward
