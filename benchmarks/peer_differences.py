"""Why a tool's total differs from archbench's: which products it misses and what it adds, module by module.

A tool's figure for a module is compared with the products that ran in it. A difference is named by the fewest products
and other work of that module, at most four, whose counts sum to it exactly; what no sum explains is listed as
unexplained. A product that a tool attributes to a module above is not a difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice
from typing import Literal, NamedTuple, TypeVar

from peer_products import Module
from peer_tools import Figures, ancestors

_MOST_NAMED = 4  # of more terms, some sum to any difference by chance
_MOST_CHOICES = 20_000

Choice = TypeVar("Choice")
Kind = Literal["missed", "added", "unexplained"]


@dataclass(frozen=True)
class Difference:
    """The same difference in modules of one type: what is missed or added, and the MACs (negative if missed)."""

    kind: Kind
    type: str
    what: str
    modules: int
    macs: float
    first: str


class _Term(NamedTuple):
    kind: Kind
    what: str
    macs: float


def differences(figures: Figures, modules: Mapping[str, Module], batch: int) -> list[Difference]:
    """Return why a tool's MACs differ, the largest first; they sum to the difference of the totals."""
    own = _placed(_on_called(figures.own, modules), modules)
    grouped: dict[tuple[Kind, str, str], list[tuple[str, float]]] = defaultdict(list)
    for path, module in modules.items():
        for kind, what, macs in _terms(own.get(path, 0), module, batch):
            grouped[kind, module.type, what].append((path, macs))
    found = [
        Difference(kind, type_, what, len(places), sum(macs for _, macs in places), places[0][0])
        for (kind, type_, what), places in grouped.items()
    ]
    found = _with_elsewhere(found, figures.elsewhere, modules)
    rest = figures.macs - sum(figures.own.values()) - figures.elsewhere
    if rest:  # as of tools that visit a shared module once for each of its parents
        found.append(Difference("unexplained", "", "in the total, not in the figures of modules", 0, rest, ""))
    return sorted(found, key=lambda difference: -abs(difference.macs))


def _on_called(own: Mapping[str, float], modules: Mapping[str, Module]) -> dict[str, float]:
    """Return figures by path, those of modules that are never called on the nearest one above that is."""
    moved: dict[str, float] = defaultdict(float)
    for path, macs in own.items():
        moved[path if path in modules else next(above for above in ancestors(path) if above in modules)] += macs
    return moved


def _placed(own: dict[str, float], modules: Mapping[str, Module]) -> dict[str, float]:
    """Return figures with the products that a tool attributes to a module above where they ran."""
    lacking = {path: module.macs - own.get(path, 0) for path, module in modules.items()}
    lacking = {path: macs for path, macs in lacking.items() if macs > 0}
    for path in [path for path in own if own[path] > modules[path].macs]:
        below = [_Term("missed", other, lacking[other]) for other in lacking if path in ancestors(other)]
        for term in _fewest(below, own[path] - modules[path].macs):
            own[term.what] = own.get(term.what, 0) + lacking.pop(term.what)
            own[path] -= term.macs
    return own


def _terms(counted: float, module: Module, batch: int) -> Iterable[_Term]:
    """Yield the parts of the difference of one module."""
    change = counted - module.macs
    if not change:
        return ()
    missed = [_Term("missed", name, -macs) for name, macs in module.products.items()]
    if not counted:
        return missed
    other = [_Term("added", name, elements) for name, elements in module.other.items()]
    named = _fewest([*missed, *other], change) if missed else []
    return named or [_Term(*_rule(counted, module, batch), change)]


def _rule(counted: float, module: Module, batch: int) -> tuple[Kind, str]:
    """Return a rule that gives a module's figure although it names no products or other work."""
    if counted == module.params * batch:
        return "missed" if counted < module.macs else "added", "counts each parameter once per sample"
    if not module.products and (per_element := _per_element(counted, module)):
        return "added", per_element
    return "unexplained", "unexplained"


def _per_element(counted: float, module: Module) -> str:
    """Return how often a module without products is counted, `2 per input element`; empty if that is not an integer."""
    sizes = {"output": module.output_elements, "input": module.input_elements}
    times = {name: counted / size for name, size in sizes.items() if size and counted % size == 0}
    if not times:
        return ""
    name = min(times, key=times.__getitem__)
    return f"{times[name]:,.0f} per {'element' if len(set(sizes.values())) == 1 else f'{name} element'}"


def _fewest(terms: list[_Term], change: float) -> list[_Term]:
    """Return the fewest terms, at most four, that sum to a difference, none if no choice does."""
    for chosen in _choices(terms, _MOST_NAMED):
        if sum(term.macs for term in chosen) == change:
            return list(chosen)
    return []


def _choices(terms: list[Choice], most: int | None = None) -> Iterator[tuple[Choice, ...]]:
    """Yield choices of up to `most` terms, small ones first, until there are too many."""
    sizes = range(1, (len(terms) if most is None else min(most, len(terms))) + 1)
    return islice(chain.from_iterable(combinations(terms, size) for size in sizes), _MOST_CHOICES)


def _with_elsewhere(found: list[Difference], elsewhere: float, modules: Mapping[str, Module]) -> list[Difference]:
    """Return the differences with what a tool counts as functions, outside of modules.

    Those are products that no module's figure has, work that the figures of the modules have already, or other work.
    """
    if not elsewhere:
        return found
    missed = [item for item in found if item.kind == "missed"]
    again = [replace(item, what="counted again, as functions") for item in found if item.kind == "added"]
    for chosen in chain(_choices(missed), _choices([*missed, *again, *_functions(modules)], _MOST_NAMED)):
        if sum(abs(item.macs) for item in chosen) == elsewhere:
            kept = [item for item in found if item not in chosen]
            return [*kept, *(item for item in chosen if item not in missed)]
    return [*found, Difference("unexplained", "", "functions outside modules, unexplained", 0, elsewhere, "")]


def _functions(modules: Mapping[str, Module]) -> Iterator[Difference]:
    """Yield the work other than products of modules of one type, as if a tool counted its elements."""
    places: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for path, module in modules.items():
        for name, elements in module.other.items():
            places[module.type, name].append((path, elements))
    for (type_, name), found in places.items():
        elements = sum(elements for _, elements in found)
        yield Difference("added", type_, f"{name}, as functions", len(found), elements, found[0][0])
