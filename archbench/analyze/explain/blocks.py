"""The cost of a block with branches, and what it would be without 1x1 reductions or without a bottleneck.

A reduction is a 1x1 convolution to fewer maps before a larger one (Szegedy et al. 2014, figure 2): without it, the
larger one reads all maps. A bottleneck is a branch that ends with a 1x1 convolution to more maps than the larger one
between works on (He et al. 2015, figure 5), whose alternative are two larger convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from math import prod

from archbench.analyze.branches import Block, is_chain
from archbench.analyze.dataflow import Call
from archbench.analyze.explain.derivation import MOST_TERMS, Derivation, Remark, Term, derive, sum_of, sum_of_formulas
from archbench.trace.costs.symbolic import Value
from archbench.trace.records import Operation
from archbench.units import format_dimensions


@dataclass(frozen=True, slots=True)
class _Convolution:
    """The sizes of a convolution; `seen` are the maps that each filter sees, `positions` those of the output."""

    kernel: tuple[int, ...]
    maps: int
    seen: int
    filters: int
    positions: tuple[int, ...]
    samples: int

    @property
    def is_pointwise(self) -> bool:
        """Whether it mixes maps only: 1x1, without groups."""
        return prod(self.kernel) == 1 and self.maps == self.seen

    def term(self, seen: int | None = None) -> Term:
        """Return the MACs as a formula; with `seen`, as if each filter saw that many maps."""
        values: dict[str, Value] = {
            "k": self.kernel, "c": seen or self.seen, "f": self.filters, "o": self.positions,
            **({"n": self.samples} if self.samples > 1 else {}),
        }  # fmt: skip
        return "·".join(f"{{{name}}}" for name in values), values


def block_items(block: Block) -> Iterator[Derivation | Remark]:
    """Yield the derivations and remarks of the row that joins a block's branches."""
    yield Remark(
        "joins", {"how": block.join, "branches": tuple(tuple(map(_word, _notable(b) or b)) for b in block.branches)}
    )
    costs = [_cost(f"MACs of branch {i}", branch) for i, branch in enumerate(block.branches, start=1)]
    yield from (cost for cost in costs if cost is not None and cost.result)
    macs = [int(cost.result) if cost else 0 for cost in costs]
    if sum(map(bool, macs)) > 1:
        yield _sum("MACs of the block", macs)
    chains = {i: _convolutions(branch) for i, branch in enumerate(block.branches) if is_chain(branch)}
    for i, convolutions in chains.items():
        if block.join == "addition" and _is_bottleneck(convolutions):
            yield from _bottleneck(convolutions, macs[i])
            return
    yield from _reductions(chains, macs)
    if block.join == "concatenation":
        yield from _projections(block)


def _word(call: Call) -> str:
    """Return what a layer is called in a list of them: a convolution its kernel."""
    window = next((op.window for op in call.operations if op.window is not None), None)
    kind = call.layer.type if call.layer.is_leaf else call.row.rpartition("/")[2]
    if window is None:
        return kind
    size = format_dimensions(window.kernel)
    return size if call.operations[0].name == "aten.convolution" else f"{kind} {size}"


def _notable(branch: Sequence[Call]) -> list[Call]:
    """Return the calls that multiply or slide a window."""
    return [call for call in branch if any(op.macs or op.window is not None for op in call.operations)]


def _cost(symbol: str, branch: Sequence[Call]) -> Derivation:
    """Return the MACs of a branch, as the sum over its layers where all are convolutions."""
    total = sum(op.macs for call in branch for op in call.operations)
    convolutions = _convolutions(branch)
    if 0 < len(convolutions) <= MOST_TERMS:
        derivation = sum_of_formulas(symbol, [convolution.term() for convolution in convolutions])
        if derivation.result == total:
            return derivation
    return sum_of(symbol, m=total)


def _sum(symbol: str, numbers: Sequence[int]) -> Derivation:
    terms = [number for number in numbers if number]
    return sum_of(symbol, **{f"m{i}": number for i, number in enumerate(terms, start=1)})


def _convolutions(branch: Sequence[Call]) -> list[_Convolution]:
    """Return the convolutions of a branch in order; none where it pools between them or multiplies otherwise."""
    calls = _notable(branch)
    operations = [op for call in calls for op in call.operations if op.macs or op.window is not None]
    is_plain = all(op.name == "aten.convolution" for op in operations[1:])
    return [_sizes(op) for op in operations if op.name == "aten.convolution"] if is_plain else []


def _sizes(operation: Operation) -> _Convolution:
    filters, seen, *kernel = operation.inputs[1].shape
    samples, _, *positions = operation.outputs[0].shape
    return _Convolution(tuple(kernel), operation.inputs[0].shape[1], seen, filters, tuple(positions), samples)


def _reductions(chains: dict[int, list[_Convolution]], macs: Sequence[int]) -> Iterator[Derivation | Remark]:
    """Yield the cost of the branches, and of the block, without their reductions."""
    without = list(macs)
    costs = []
    for i, convolutions in chains.items():
        terms = _terms_without_reductions(convolutions)
        if len(terms) < len(convolutions):
            costs.append(sum_of_formulas(f"MACs of branch {i + 1} without reduction", terms))
            without[i] = int(costs[-1].result)
    if costs:
        yield Remark("reductions", {"macs": sum(macs), "without": sum(without)})
        yield from costs
        if sum(map(bool, without)) > 1:
            yield _sum("MACs of the block without reductions", without)


def _terms_without_reductions(convolutions: Sequence[_Convolution]) -> list[Term]:
    """Return the MACs of each convolution that is not a reduction; one behind a reduction sees all maps."""
    terms: list[Term] = []
    reduced: _Convolution | None = None
    for convolution, following in zip_longest(convolutions, convolutions[1:]):
        if reduced is not None:
            groups = convolution.maps // convolution.seen
            terms.append(convolution.term(reduced.maps // groups))
            reduced = None
        elif following is not None and _is_reduction(convolution, following):
            reduced = convolution
        else:
            terms.append(convolution.term())
    return terms


def _is_reduction(convolution: _Convolution, following: _Convolution) -> bool:
    return convolution.is_pointwise and convolution.filters < convolution.maps and prod(following.kernel) > 1


def _projections(block: Block) -> Iterator[Remark]:
    """Yield what a 1x1 convolution behind a pooling saves: maps of the output."""
    outputs = sum(branch[-1].operations[-1].outputs[0].shape[1] for branch in block.branches if branch)
    for branch in block.branches:
        convolutions = _convolutions(branch)
        pools = bool(branch) and branch[0].operations[0].name != "aten.convolution"
        if pools and len(convolutions) == 1 and convolutions[0].is_pointwise:
            (only,) = convolutions
            if only.filters < only.maps:
                values = {"filters": only.filters, "maps": only.maps, "outputs": outputs}
                yield Remark("pooled", {**values, "without": outputs - only.filters + only.maps})


def _is_bottleneck(convolutions: Sequence[_Convolution]) -> bool:
    if len(convolutions) < 3:
        return False
    first, *inner, last = convolutions
    is_narrow = all(prod(each.kernel) > 1 and each.filters < last.filters for each in inner)
    return is_narrow and first.is_pointwise and last.is_pointwise


def _bottleneck(convolutions: Sequence[_Convolution], macs: int) -> Iterator[Derivation | Remark]:
    """Yield the cost of two larger convolutions instead, on as many maps as inside the bottleneck and as outside."""
    inner, last = convolutions[1], convolutions[-1]
    size, costs = format_dimensions(inner.kernel), []
    for maps in (inner.filters, last.filters):
        formula, values = replace(last, kernel=inner.kernel, seen=maps, filters=maps).term()
        costs.append(derive(f"MACs of two {size} on {maps} maps", f"2·{formula}", **values))
    inside, outside = (int(cost.result) for cost in costs)
    yield Remark(
        "bottleneck",
        {
            "kernel": size, "maps": inner.filters, "outputs": last.filters, "macs": macs, "inside": inside,
            "outside": outside,
        },
    )  # fmt: skip
    yield from costs
