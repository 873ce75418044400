"""Make a model say where it is: each module's forward becomes a named range in whatever profiler listens."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.profiler import record_function

from archbench.measure.profile.attribution import LAYER


@contextmanager
def marked(model: torch.nn.Module) -> Iterator[None]:
    """Make the forward of every module a range named for its path, the first where it has several."""
    saved: list[tuple[dict[str, Any], Any]] = []
    try:
        for path, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue  # compiled: its forward is not Python
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
