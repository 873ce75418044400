"""The records of a graph that is drawn."""

from __future__ import annotations

from dataclasses import dataclass

BOUNDARY = -1  # the place of a graph's own inputs and outputs among its nodes


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A tensor that one node of a graph makes and another reads.

    `source` and `target` are positions among the nodes, or `BOUNDARY` for the graph's own inputs and outputs; the
    ports are the numbers of that node's, or that graph's, outputs and inputs.
    """

    source: int
    target: int
    source_port: int = 0
    target_port: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A call of a module, or an operator, whose `type` is empty. Counts are for one of its `repeats` equal nodes.

    `output_shape` has no batch and is None without an output. `children` and `edges` are the graph inside, which is
    drawn if `is_opened`. `heads` is the number of heads of an attention operator, otherwise 0.
    """

    name: str
    type: str
    path: str
    output_shape: tuple[int, ...] | None
    params: int
    macs: int
    heads: int = 0
    repeats: int = 1
    children: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    is_opened: bool = False

    @property
    def drawn(self) -> tuple[Node, ...]:
        """The nodes drawn inside this one."""
        return self.children if self.is_opened else ()
