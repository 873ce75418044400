"""Find and replace tensors in nested arguments and results."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested lists, tuples, sets, mappings and dataclasses, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from tensors_in(item)
    elif _is_dataclass_instance(value):
        for field in dataclasses.fields(value):
            yield from tensors_in(getattr(value, field.name))


def map_tensors(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Return `value` with each tensor replaced by `function(tensor)`, and unchanged if it holds no tensor."""
    if isinstance(value, Tensor):
        return function(value)
    if next(tensors_in(value), None) is None:
        return value
    if isinstance(value, dict):
        replaced = copy.copy(value)
        for key, item in value.items():
            replaced[key] = map_tensors(item, function)
        return replaced
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, function) for item in value))
    if isinstance(value, (list, tuple, set)):
        return type(value)(map_tensors(item, function) for item in value)
    if _is_dataclass_instance(value):
        replaced = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(replaced, field.name, map_tensors(getattr(value, field.name), function))
        return replaced
    return value


def _is_dataclass_instance(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
