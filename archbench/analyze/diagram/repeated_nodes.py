"""Merge equal nodes of a graph that follow each other into one that states how many there are.

Nodes are equal if all but their names are, down to the innermost. They follow each other if each reads from the one
before, at the same ports, and otherwise what the first reads too; nothing else reads the outputs of any but the last.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import lru_cache

from archbench.analyze.diagram.nodes import BOUNDARY, Edge, Node


def merged(nodes: Sequence[Node], edges: Sequence[Edge]) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Return a graph's nodes and edges with each run of equal nodes as one node."""
    runs = _runs(nodes, edges)
    kept = [_merged_node(nodes[first : last + 1]) for first, last in runs]
    places = {BOUNDARY: BOUNDARY, **{i: place for place, run in enumerate(runs) for i in range(run[0], run[1] + 1)}}
    firsts = {run[0] for run in runs}
    outside = (
        replace(edge, source=places[edge.source], target=places[edge.target])
        for edge in edges
        if edge.target == BOUNDARY or edge.target in firsts
    )
    return tuple(kept), tuple(sorted(set(outside)))


def _merged_node(run: Sequence[Node]) -> Node:
    first, last = run[0], run[-1]
    number = re.search(r"\d*$", last.name)
    end = number[0] if number and number[0] else last.name
    return replace(first, name=first.name if first.name == last.name else f"{first.name} … {end}", repeats=len(run))


def _runs(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[tuple[int, int]]:
    """Return the first and last position of each run, in order."""
    into: defaultdict[int, set[tuple[int, int, int]]] = defaultdict(set)
    readers: defaultdict[int, set[int]] = defaultdict(set)
    for edge in edges:
        into[edge.target].add((edge.target_port, edge.source, edge.source_port))
        readers[edge.source].add(edge.target)
    signatures = [signature(node) for node in nodes]
    runs: list[tuple[int, int]] = []
    for i in range(len(nodes)):
        first = runs[-1][0] if runs else i
        is_next = i > first and signatures[i] == signatures[first] and readers[i - 1] == {i}
        if is_next and _follows(i, first, into):
            runs[-1] = first, i
        else:
            runs.append((i, i))
    return runs


def _follows(i: int, first: int, into: defaultdict[int, set[tuple[int, int, int]]]) -> bool:
    """Return whether a node reads from the one before as a run's second from the first, and the rest as the first."""
    relative = {(port, source - i, source_port) for port, source, source_port in into[i] if source == i - 1}
    others = {entry for entry in into[i] if entry[1] != i - 1}
    second = first + 1
    expected = {(port, source - second, source_port) for port, source, source_port in into[second] if source == first}
    return relative == expected and others <= into[first]


@lru_cache(maxsize=4096)
def signature(node: Node) -> Hashable:
    """Return what equal nodes share: everything but their names, of which an operator's is its type."""
    sizes = node.output_shape, node.params, node.macs, node.heads, node.repeats
    return node.type or node.name, sizes, node.edges, tuple(map(signature, node.children))


@lru_cache(maxsize=4096)
def structure_of(node: Node) -> Hashable:
    """Return what nodes with the same modules and operators inside share, whatever their sizes."""
    return node.type or node.name, node.edges, tuple(map(structure_of, node.children))
