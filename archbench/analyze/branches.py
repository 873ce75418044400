"""Blocks with branches: paths that begin with one tensor and are joined by concatenation or addition.

A block is found by its join, in any model: its branches begin at the last call that every path to the join passes.
Branches that share calls, as in a DenseNet, are not those of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from archbench.analyze.dataflow import Call, between, dominators

_JOINS: dict[str, Literal["concatenation", "addition"]] = {
    "aten.cat": "concatenation",
    "aten.add": "addition",
    "aten.add_": "addition",
}


@dataclass(frozen=True, slots=True)
class Block:
    """The branches that the call at `row` joins; each has its calls in order, none for an identity."""

    row: str
    join: Literal["concatenation", "addition"]
    branches: tuple[tuple[Call, ...], ...]


def blocks_of(calls: Sequence[Call]) -> list[Block]:
    """Return the blocks of a model in the order of their joins."""
    begins = dominators(calls)
    blocks = []
    for number, call in enumerate(calls):
        joins = [_JOINS[operation.name] for operation in call.operations if operation.name in _JOINS]
        if len(call.sources) < 2 or not joins:
            continue
        begin = begins[number]
        passed = [sorted(between(calls, begin, source)) for source in call.sources]
        if sum(map(len, passed)) == len(set().union(*passed)):
            blocks.append(Block(call.row, joins[0], tuple(tuple(calls[n] for n in branch) for branch in passed)))
    return blocks


def is_chain(branch: Sequence[Call]) -> bool:
    """Return whether each call of a branch reads the output of the one before alone."""
    return all(len(call.sources) == 1 for call in branch)
