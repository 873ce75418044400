"""A model's modules by their shares of one quantity: each module's is the sum of its layers'.

The layers' values lie one after the other from 0 to the total, so that a module is an interval that its parts fill.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LayerValue:
    """The value of one row of the layer table, or of several parts of a step; `name` is the row's."""

    name: str
    type: str
    value: float


@dataclass(frozen=True, slots=True)
class ModuleShare:
    """A module or layer with its interval; `depth` is 0 for the whole model, whose name is empty.

    `kind` is the type of the layer inside that has most of the value, `is_layer` is false where there are parts inside.
    """

    name: str
    kind: str
    depth: int
    start: float
    end: float
    is_layer: bool

    @property
    def value(self) -> float:
        """The module's part of the quantity."""
        return self.end - self.start


@dataclass(slots=True)
class _Node:
    type: str = ""
    value: float = 0
    parts: dict[str, _Node] = field(default_factory=dict)


def module_shares(layers: Iterable[LayerValue]) -> list[ModuleShare]:
    """Return the whole model, then each module before its parts; those without a value are left out."""
    root = _Node()
    for layer in layers:
        if layer.value > 0:
            node = root
            for part in _path(layer.name):
                node = node.parts.setdefault(part, _Node())
            node.type, node.value = layer.type, node.value + layer.value
    return list(_shares(root, "", 0, 0.0))


def largest_share(shares: Sequence[ModuleShare]) -> ModuleShare:
    """Return the smallest module with at least half of the model; without one, the largest directly inside it."""
    whole = shares[0]
    large = [share for share in shares if share.depth and 2 * share.value >= whole.value]
    if large:
        return max(large, key=lambda share: share.depth)
    return max((share for share in shares if share.depth <= 1), key=lambda share: (share.depth, share.value))


def _path(name: str) -> list[str]:
    """Return the modules on the way to a row: `layer1.0/add` is in `layer1` and there in `0`."""
    module, slash, operator = name.rpartition("/")
    parts = [part for part in (module if slash else name).split(".") if part]
    return [*parts, operator] if slash else parts


def _shares(node: _Node, name: str, depth: int, start: float) -> Iterator[ModuleShare]:
    """Yield a module with all that is inside it, from `start` on."""
    yield ModuleShare(name, _largest(node)[1], depth, start, start + _total(node), is_layer=not node.parts)
    if node.parts and node.value:  # the module's own row, such as that of parameters that no part holds
        yield ModuleShare(name, node.type, depth + 1, start, start + node.value, is_layer=True)
    start += node.value
    for part, inner in node.parts.items():
        yield from _shares(inner, f"{name}.{part}" if name else part, depth + 1, start)
        start += _total(inner)


def _total(node: _Node) -> float:
    return node.value + sum(map(_total, node.parts.values()))


def _largest(node: _Node) -> tuple[float, str]:
    return max([(node.value, node.type), *map(_largest, node.parts.values())])
