"""Wrap each module's forward in a profiler range named after the module."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import record_function

from archbench.measure.profile.events import LAYER


@contextmanager
def annotated(model: torch.nn.Module) -> Iterator[None]:
    """Wrap the forward of every module in a range named after its path, the first path of a shared module."""
    saved: list[tuple[dict[str, Any], Any]] = []
    try:
        for path, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue  # its forward is not Python
            own = module.__dict__
            saved.append((own, own.get("forward")))
            own["forward"] = _within(f"{LAYER}{path or '.'}", module.forward)
        yield
    finally:
        for own, forward in saved:
            if forward is None:
                del own["forward"]
            else:
                own["forward"] = forward


def _within(name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def ranged(*args: Any, **kwargs: Any) -> Any:
        with record_function(name):
            return forward(*args, **kwargs)

    return ranged
