"""Copy the objects that are reachable from a model and its inputs, so that a run changes none of the user's.

Nothing recurses, so that chains of objects may be as long as they like. Objects that cannot be copied (locks, files,
generators, loggers, what has a finaliser) are shared. Functions, methods and weak references are copied where they lead
to something that is, such as a hook that holds the model; what they lead to otherwise is the user's own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from archbench.trace.copying.classify import ATOMS, SHARED, TENSOR, kind_of
from archbench.trace.copying.kinds import Kind
from archbench.trace.copying.values import FUNCTION

T = TypeVar("T")

_PLAIN = (dict, OrderedDict, set, list)


@dataclass(slots=True)
class _Node:
    """An object, what it held when it was met, and whether it is copied in any case."""

    value: Any
    kind: Kind
    contents: Any
    is_own: bool


class ObjectCopier:
    """Copies objects; one that is met twice, also in another call, is copied once.

    `replace` returns the copy of a tensor. Copies made elsewhere are given by `adopt`.
    """

    def __init__(self, replace: Callable[[Tensor], Tensor]) -> None:
        self.replace = replace
        self._copies: dict[int, Any] = {}
        self._attributed: list[Tensor] = []  # tensors whose own attributes are still to be copied
        self._originals: list[Any] = []  # kept, since an id is unique only while its object lives

    def adopt(self, original: Any, made: Any) -> None:
        """Use `made` as the copy of an object."""
        self._copies[id(original)] = made
        self._originals.append(original)

    def copied(self, value: T) -> T:
        """Return the copy of an object, the object itself if it has none."""
        made: T = self._copies.get(id(value), value)
        return made

    def copy(self, value: T) -> T:
        """Return a copy of an object and of all that it leads to."""
        nodes: dict[int, _Node] = {}
        links = self._explore([value], nodes, is_own=True)
        if links:
            self._explore(links, nodes, is_own=False)
        self._make(_copied(nodes, self._copies))
        while self._attributed:
            tensor = self._attributed.pop()
            if (made := self.copied(tensor)) is not tensor:
                made.__dict__.update(self.copy(tensor.__dict__))
        return self.copied(value)

    def _explore(self, stack: list[Any], nodes: dict[int, _Node], *, is_own: bool) -> list[Any]:
        """Add a node for each object that the stack leads to, and return the links, which are not followed if own."""
        links = []
        copies = self._copies
        while stack:
            value = stack.pop()
            key = id(value)
            if type(value) in ATOMS or key in nodes or key in copies:
                continue
            if type(value) in _PLAIN and not value:  # most containers of a module
                if is_own:
                    self.adopt(value, type(value)())
                continue
            kind = kind_of(value)
            if kind is SHARED:
                continue
            if kind is TENSOR:
                if is_own:
                    self.adopt(value, self.replace(value))
                    if value.__dict__:
                        self._attributed.append(value)
                continue
            if kind.is_link and is_own:
                links.append(value)
                continue
            contents = kind.contents(value)
            nodes[key] = _Node(value, kind, contents, is_own and not kind.is_value)
            stack.extend([part for part in kind.parts(contents) if type(part) not in ATOMS][::-1])
        return links

    def _make(self, nodes: dict[int, _Node]) -> None:
        for node in [node for node in nodes.values() if not node.kind.is_value]:
            if node.kind is not FUNCTION:
                self.adopt(node.value, node.kind.make(node.value, node.contents, self._copies))
        for node in [node for node in nodes.values() if node.kind is FUNCTION]:  # made of cells
            self.adopt(node.value, node.kind.make(node.value, node.contents, self._copies))
        self._make_values({key: node for key, node in nodes.items() if node.kind.is_value})
        filled = [(self._copies[key], node) for key, node in nodes.items() if self._copies[key] is not node.value]
        for made, node in filled:
            node.kind.fill(made, node.contents, self._copies)
        for made, node in filled:
            node.kind.fill_hashed(made, node.contents, self._copies)

    def _make_values(self, nodes: dict[int, _Node]) -> None:
        """Make immutable objects, each after its parts."""
        for start in nodes.values():
            stack = [start]
            while stack:
                node = stack[-1]
                parts = [] if id(node.value) in self._copies else node.kind.parts(node.contents)
                waiting = [nodes[id(part)] for part in parts if id(part) in nodes and id(part) not in self._copies]
                if waiting:
                    stack.extend(waiting)
                    continue
                stack.pop()
                if id(node.value) not in self._copies:
                    self.adopt(node.value, node.kind.make(node.value, node.contents, self._copies))


def _copied(nodes: dict[int, _Node], copies: dict[int, Any]) -> dict[int, _Node]:
    """Return the nodes that are copied: the model's own, and those that lead to one of these or to a known copy."""
    optional = {key: node for key, node in nodes.items() if not node.is_own}
    if not optional:
        return nodes
    holders: dict[int, list[int]] = {}
    for key, node in optional.items():
        for part in node.kind.parts(node.contents):
            holders.setdefault(id(part), []).append(key)
    stack = [key for key in holders if key in copies or (key in nodes and key not in optional)]
    needed: set[int] = set()
    while stack:
        for holder in holders.get(stack.pop(), ()):
            if holder not in needed:
                needed.add(holder)
                stack.append(holder)
    return {key: node for key, node in nodes.items() if node.is_own or key in needed}
