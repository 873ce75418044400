"""Make `flex_attention` look for modes that override it, as most of torch's functions do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

from torch.overrides import handle_torch_function, has_torch_function

from archbench.trace.process_state import SharedContext


def imported_flex_attention() -> FunctionType | None:
    """Return torch's function, None while no model has imported it, which takes a second."""
    module: Any = sys.modules.get("torch.nn.attention.flex_attention")
    return None if module is None else module.flex_attention


@contextmanager
def _overridable() -> Iterator[None]:
    function = imported_flex_attention()
    if function is None:
        yield
        return
    original = _original(function)
    # Models import the function by its name, so that it cannot be replaced in torch's module.
    function.__code__ = _checks_for_modes.__code__
    try:
        yield
    finally:
        function.__code__ = original.__code__


@cache
def _original(function: FunctionType) -> FunctionType:
    """Return a copy of a function, made when it is first asked for."""
    copied = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


def _checks_for_modes(  # type: ignore[no-untyped-def]  # the signature of torch's function, whose defaults hold
    query, key, value, score_mod, block_mask, scale, enable_gqa, return_lse, kernel_options, *, return_aux
):
    # Runs with the globals of torch's module.
    from archbench.trace.overridable import dispatch

    return dispatch(
        query, key, value, score_mod, block_mask, scale, enable_gqa, return_lse, kernel_options, return_aux=return_aux
    )


def dispatch(*args: Any, **kwargs: Any) -> Any:
    """Call `flex_attention` through the active modes, or itself if there are none."""
    function = imported_flex_attention()
    assert function is not None, "it is being called"
    if has_torch_function(args[:3]):
        return handle_torch_function(function, args[:3], *args, **kwargs)
    return _original(function)(*args, **kwargs)


# While a thread is in it, the function looks for modes in all threads.
overridable_flex_attention = SharedContext(_overridable)
