"""Kinds of immutable objects and of links, which are made after their parts: tuples, functions, methods, references."""
# ruff: noqa: ARG002  # all kinds have the same methods, and not each needs every argument

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from itertools import chain
from types import CellType, FunctionType, MethodType
from typing import Any

from archbench.trace.copying.kinds import Copies, Kind


class ValueKind(Kind):
    """Objects without contents that change: `take` returns their parts, `make` an object of given parts."""

    is_value = True

    def __init__(
        self, take: Callable[[Any], Iterable[Any]], build: Callable[[Any, list[Any]], Any], *, is_link: bool
    ) -> None:
        self._take, self._build, self.is_link = take, build, is_link

    def contents(self, value: Any) -> Any:
        """Return its parts."""
        return list(self._take(value))

    def parts(self, contents: Any) -> Iterable[Any]:
        """Return its parts."""
        return list(contents)

    def make(self, value: Any, contents: Any, copies: Copies) -> Any:
        """Return an object of the copied parts."""
        return self._build(value, [copies.get(id(part), part) for part in contents])


class FunctionKind(Kind):
    """Functions that hold objects in their closure, defaults or attributes."""

    is_link = True

    def contents(self, value: Any) -> Any:
        """Return the cells of its closure, its defaults and its attributes."""
        return value.__closure__ or (), value.__defaults__ or (), value.__kwdefaults__ or {}, dict(value.__dict__)

    def parts(self, contents: Any) -> Iterable[Any]:
        """Return all of them."""
        cells, defaults, keywords, attributes = contents
        return chain(cells, defaults, keywords.values(), attributes.values())

    def make(self, value: Any, contents: Any, copies: Copies) -> Any:
        """Return a function with the same code whose cells are copies."""
        cells = tuple(copies.get(id(cell), cell) for cell in contents[0])
        made = FunctionType(value.__code__, value.__globals__, value.__name__, None, cells)
        made.__qualname__, made.__module__, made.__doc__ = value.__qualname__, value.__module__, value.__doc__
        made.__annotations__ = value.__annotations__
        return made

    def fill(self, made: Any, contents: Any, copies: Copies) -> None:
        """Set its defaults and attributes."""
        _, defaults, keywords, attributes = contents
        get = copies.get
        made.__defaults__ = tuple(get(id(value), value) for value in defaults) or None
        made.__kwdefaults__ = {name: get(id(value), value) for name, value in keywords.items()} or None
        made.__dict__.update({name: get(id(value), value) for name, value in attributes.items()})


class CellKind(Kind):
    """Cells of closures."""

    def contents(self, value: Any) -> Any:
        """Return what it holds, nothing if it is empty."""
        try:
            return (value.cell_contents,)
        except ValueError:
            return ()

    def parts(self, contents: Any) -> Iterable[Any]:
        """Return what it holds."""
        return tuple(contents)

    def make(self, value: Any, contents: Any, copies: Copies) -> Any:
        """Return an empty cell."""
        return CellType()

    def fill(self, made: Any, contents: Any, copies: Copies) -> None:
        """Set what it holds."""
        for value in contents:
            made.cell_contents = copies.get(id(value), value)


def _make_tuple(value: Any, parts: list[Any]) -> Any:
    made = tuple.__new__(type(value), parts)
    if type(value).__dictoffset__:
        made.__dict__.update(value.__dict__)
    return made


def _make_frozenset(value: Any, parts: list[Any]) -> Any:
    try:
        return frozenset.__new__(type(value), parts)
    except Exception:  # a hash that needs attributes, which are set later
        return value


def _make_partial(value: Any, parts: list[Any]) -> Any:
    function, *rest = parts
    positional = len(value.args)
    made = partial.__new__(type(value), function, *rest[:positional], **dict(zip(value.keywords, rest[positional:])))  # noqa: B905
    made.__dict__.update(value.__dict__)
    return made


def _make_reference(value: Any, parts: list[Any]) -> Any:
    if not parts:
        return value
    if isinstance(value, weakref.KeyedRef):
        return weakref.KeyedRef(parts[0], None, value.key)  # type: ignore[arg-type]  # None is taken
    return weakref.ref(parts[0])


def _proxied(value: Any) -> Iterable[Any]:
    try:
        return (value.__repr__.__self__,)  # a proxy passes everything on
    except (AttributeError, ReferenceError):
        return ()


def _make_cached(value: Any, parts: list[Any]) -> Any:
    return lru_cache(**value.cache_parameters())(parts[0])


def _referent(value: Any) -> Iterable[Any]:
    referent = value()
    return () if referent is None else (referent,)


FUNCTION, CELL = FunctionKind(), CellKind()
TUPLE = ValueKind(tuple.__iter__, _make_tuple, is_link=False)
FROZENSET = ValueKind(frozenset.__iter__, _make_frozenset, is_link=False)
METHOD = ValueKind(lambda value: (value.__func__, value.__self__), lambda _, parts: MethodType(*parts), is_link=True)
PARTIAL = ValueKind(lambda value: (value.func, *value.args, *value.keywords.values()), _make_partial, is_link=True)
CACHED = ValueKind(lambda value: (value.__wrapped__,), _make_cached, is_link=True)
PROXY = ValueKind(_proxied, lambda _, parts: weakref.proxy(*parts), is_link=True)
REFERENCE = ValueKind(_referent, _make_reference, is_link=True)
BUILTIN = ValueKind(
    lambda value: (value.__self__,), lambda value, parts: getattr(parts[0], value.__name__), is_link=True
)
