"""torch's `flex_attention`, if a model has imported it, called through the active modes."""

from __future__ import annotations

import sys
from functools import cache
from types import FunctionType
from typing import Any

from torch.overrides import handle_torch_function, has_torch_function


def imported_flex_attention() -> FunctionType | None:
    """Return torch's function, None while no model has imported it, which takes a second."""
    module: Any = sys.modules.get("torch.nn.attention.flex_attention")
    return None if module is None else module.flex_attention


@cache
def original(function: FunctionType) -> FunctionType:
    """Return a copy of a function, made when it is first asked for."""
    copied = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


def dispatch(*args: Any, **kwargs: Any) -> Any:
    """Call `flex_attention` through the active modes, or itself if there are none."""
    function = imported_flex_attention()
    assert function is not None, "it is being called"
    if has_torch_function(args[:3]):
        return handle_torch_function(function, args[:3], *args, **kwargs)
    return original(function)(*args, **kwargs)
