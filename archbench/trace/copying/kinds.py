"""Kinds of objects that are copied: what each holds, how an empty copy is made, and how that is filled.

Only methods of the types that Python itself defines are called, never those of a user's class, which may do anything:
an object is made by `object.__new__`, a subclass of dict is filled by `dict.__setitem__`.
"""
# ruff: noqa: ARG002  # all kinds have the same methods, and not each needs every argument

from __future__ import annotations

import copy
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from itertools import chain
from types import MemberDescriptorType
from typing import Any

import torch

Copies = Mapping[int, Any]

HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: defined by a class statement
MAPPINGS: tuple[Any, ...] = (dict, OrderedDict, defaultdict)
SEQUENCES: tuple[Any, ...] = (list, deque, set)


class Kind:
    """A kind of object that is shared by the copy: its subclasses are those that are copied.

    A *link* leads out of the model: what only links lead to is copied if it leads back to something that is. A *value*
    has no contents that change, and its copy is made after theirs; what is neither is copied in any case.
    """

    is_link = False
    is_value = False

    def contents(self, value: Any) -> Any:
        """Return what an object holds at this moment."""

    def parts(self, contents: Any) -> Iterable[Any]:
        """Return the objects in its contents."""
        return ()

    def make(self, value: Any, contents: Any, copies: Copies) -> Any:
        """Return a copy that is still to be filled; that of a value is complete."""
        return value

    def fill(self, made: Any, contents: Any, copies: Copies) -> None:
        """Put copies of the contents into a copy."""

    def fill_hashed(self, made: Any, contents: Any, copies: Copies) -> None:
        """Put contents into a copy whose hashes may need attributes that `fill` sets."""


class InstanceKind(Kind):
    """Containers and instances of classes: attributes, slots, and the items of a base class that is a container."""

    def __init__(self, cls: type, base: Any) -> None:
        self._class, self._base = cls, base
        self._has_attributes = cls.__dictoffset__ != 0
        self._slots = [
            slot
            for owner in cls.__mro__
            if owner.__flags__ & HEAP_TYPE
            for slot in owner.__dict__.values()
            if isinstance(slot, MemberDescriptorType)
        ]

    def contents(self, value: Any) -> Any:
        """Return its attributes, its slots and its items."""
        attributes = dict.copy(object.__getattribute__(value, "__dict__")) if self._has_attributes else {}
        slots = [(slot, slot.__get__(value)) for slot in self._slots if _is_set(slot, value)] if self._slots else []
        if self._base in MAPPINGS:
            return attributes, slots, list(self._base.items(value))
        return attributes, slots, list(self._base.__iter__(value)) if self._base in SEQUENCES else ()

    def parts(self, contents: Any) -> Iterable[Any]:
        """Return all of them."""
        attributes, slots, items = contents
        if self._base in MAPPINGS:
            items = chain.from_iterable(items)
        return chain(attributes.values(), (held for _, held in slots), items)

    def make(self, value: Any, contents: Any, copies: Copies) -> Any:
        """Return an empty instance, or the object itself where it stands for itself: a module's constant."""
        if self._base is object and not contents[0] and not contents[1] and _is_constant(value, self._class):
            return value
        made = self._base.__new__(self._class)
        if self._base is dict and self._has_attributes and object.__getattribute__(value, "__dict__") is value:
            object.__setattr__(made, "__dict__", made)  # items that are attributes too
        if self._base is deque:
            deque.__init__(made, (), deque.maxlen.__get__(value))
        elif self._base is defaultdict:
            made.default_factory = value.default_factory
        return made

    def fill(self, made: Any, contents: Any, copies: Copies) -> None:
        """Set the attributes and slots, and the items that need no hash."""
        attributes, slots, items = contents
        get = copies.get
        if attributes and (held := object.__getattribute__(made, "__dict__")) is not made:
            dict.update(held, {name: get(id(value), value) for name, value in attributes.items()})
        for slot, value in slots:
            slot.__set__(made, get(id(value), value))
        if self._base is list or self._base is deque:
            self._base.extend(made, [get(id(item), item) for item in items])

    def fill_hashed(self, made: Any, contents: Any, copies: Copies) -> None:
        """Set the items of mappings and sets."""
        get, items = copies.get, contents[2]
        if self._base in MAPPINGS:
            add = self._base.__setitem__
            for key, value in items:
                add(made, _key(key, copies), get(id(value), value))
        elif self._base is set:
            set.update(made, [_key(item, copies) for item in items])


class DictKind(Kind):
    """Plain dicts, for speed."""

    def contents(self, value: Any) -> Any:
        """Return its items."""
        return value.copy()

    def parts(self, contents: Any) -> Iterable[Any]:
        """Return keys and values."""
        return chain(contents, contents.values())

    def make(self, value: Any, contents: Any, copies: Copies) -> Any:
        """Return an empty dict."""
        return {}

    def fill_hashed(self, made: Any, contents: Any, copies: Copies) -> None:
        """Set its items."""
        get = copies.get
        made.update({_key(key, copies): get(id(value), value) for key, value in contents.items()})


class LeafKind(Kind):
    """Objects written in C that hold numbers, such as arrays and random generators."""

    def make(self, value: Any, contents: Any, copies: Copies) -> Any:
        """Return a copy, or the object itself if its type has none."""
        try:
            if isinstance(value, torch.Generator):
                return value.clone_state()
            return copy.deepcopy(value) if type(value).__module__.startswith("numpy.random") else copy.copy(value)
        except Exception:  # locks, files and generators raise TypeError, others what they like
            return value


class TensorKind(Kind):
    """Tensors, which the caller replaces."""


def _key(original: Any, copies: Copies) -> Any:
    """Return the copy of a key, the key itself if the copy has no hash."""
    made = copies.get(id(original), original)
    if made is original:
        return original
    try:
        hash(made)
    except Exception:  # raised by the user's class
        return original
    return made


def _is_set(slot: Any, value: Any) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def _is_constant(value: Any, cls: type) -> bool:
    """Return whether an instance without state is a global of the module of its class, to be compared by identity."""
    home = sys.modules.get(cls.__module__)
    return home is not None and any(held is value for held in list(vars(home).values()))
