"""Look inside those of torch's functions that are composed in Python of others."""

from __future__ import annotations

from functools import cache
from types import FunctionType

_CHECKS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


def is_composite(func: FunctionType) -> bool:
    """Return whether a function is one of torch's that is composed in Python of others."""
    checks_overrides = not set(_CHECKS).isdisjoint(func.__code__.co_names)
    return checks_overrides and func.__module__ in ("torch.functional", "torch.nn.functional")


@cache
def transparent(func: FunctionType) -> FunctionType:
    """Return a copy of one of torch's Python functions that passes the functions it calls to the active modes.

    The original first checks for overrides, of which a mode is one; in the copy the check returns False.
    """
    no_overrides = dict.fromkeys(_CHECKS, lambda *_: False)
    scope = {**func.__globals__, **no_overrides}
    copied = FunctionType(func.__code__, scope, func.__name__, func.__defaults__, func.__closure__)
    copied.__kwdefaults__ = func.__kwdefaults__
    return copied
