"""Say how each object is copied, by its type."""

from __future__ import annotations

import logging
import random
import weakref
from contextlib import suppress
from enum import Enum
from functools import lru_cache, partial
from types import BuiltinMethodType, CellType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from archbench.trace.copying.kinds import (
    HEAP_TYPE,
    MAPPINGS,
    SEQUENCES,
    DictKind,
    InstanceKind,
    Kind,
    LeafKind,
    TensorKind,
)
from archbench.trace.copying.values import (
    BUILTIN,
    CACHED,
    CELL,
    FROZENSET,
    FUNCTION,
    METHOD,
    PARTIAL,
    PROXY,
    REFERENCE,
    TUPLE,
)

# Values that need no copy, by far the most frequent ones.
ATOMS = frozenset(
    {bool, bytes, complex, float, int, str, type, type(None), torch.dtype, torch.device, torch.Size, object, range}
)
_SHARED = (type, ModuleType, Enum, logging.Logger, logging.Handler, BaseException)

SHARED, TENSOR, LEAF = Kind(), TensorKind(), LeafKind()
_KINDS: dict[type, Kind] = {dict: DictKind()}


def kind_of(value: Any) -> Kind:
    """Return how an object is copied."""
    cls = type(value)
    kind = _KINDS.get(cls)
    if kind is None:
        kind = _KINDS[cls] = _classify(cls)
    if kind is FUNCTION and not (value.__closure__ or value.__defaults__ or value.__kwdefaults__ or value.__dict__):
        return SHARED
    return kind


_BY_TYPE: tuple[tuple[Any, Kind], ...] = (
    (Tensor, TENSOR),
    (_SHARED, SHARED),
    (FunctionType, FUNCTION),
    (CellType, CELL),
    (MethodType, METHOD),
    (BuiltinMethodType, BUILTIN),
    (partial, PARTIAL),
    (type(lru_cache(kind_of)), CACHED),
    (weakref.ProxyTypes, PROXY),
    (weakref.WeakMethod, SHARED),
    (weakref.ref, REFERENCE),
    (tuple, TUPLE),
    (frozenset, FROZENSET),
    ((bytearray, random.Random, torch.Generator), LEAF),
)
_LEAF_MODULES = ("array", "builtins", "itertools", "numpy", "numpy.random")


def _classify(cls: type) -> Kind:
    for types, kind in _BY_TYPE:
        if issubclass(cls, types):
            return kind
    if hasattr(cls, "__del__") and not issubclass(cls, nn.Module):  # it would end what the original still uses
        return SHARED
    base: Any = next(owner for owner in cls.__mro__ if not owner.__flags__ & HEAP_TYPE)
    if base in (object, SimpleNamespace, *MAPPINGS, *SEQUENCES):
        with suppress(TypeError):  # a type written in C
            base.__new__(cls)
            return InstanceKind(cls, base)
    return LEAF if cls.__module__.startswith(_LEAF_MODULES) else SHARED
