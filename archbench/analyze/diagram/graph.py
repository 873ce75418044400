"""The graph that a drawing shows: modules and operators, and the tensors between them.

A module that is called several times is a node for each call. A call of one of torch's own layers, or of a module in
which a single operator ran, is one node; any other is a node with a graph inside. Operators that only make views, and
modules in which nothing computes, have no node; parameters that belong to neither count on the module that owns them.
Equal nodes that follow each other are one node with `repeats`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from archbench.analyze.diagram.nodes import BOUNDARY, Edge, Node
from archbench.analyze.diagram.repeated_nodes import merged, structure_of
from archbench.analyze.tensor_flow import OUTPUT, computing, tensor_flow
from archbench.trace.records import Call, Layer, Operation, Trace

_MANY_NODES = 40


def model_graph(trace: Trace) -> Node:
    """Return the model as one node that contains its modules and operators; trace it with batch size 1."""
    root = _call_tree(trace)
    _connect(root, trace)
    node = _Builder(trace).node(root)
    if node.children:
        return node
    edges = (*(Edge(BOUNDARY, 0, i, i) for i in range(len(trace.inputs))), Edge(0, BOUNDARY))
    return replace(node, children=(node,), edges=edges)


def opened(node: Node, depth: int | None = None) -> Node:
    """Return a graph opened down to `depth` levels.

    By default of all nodes with one structure, whatever their sizes, only the first is opened, and as many levels as
    leave at most 40 nodes; of the level after these, structures are opened in order as far as they leave so many.
    """
    if depth is not None:
        return _opened(node, depth, None)
    tree = _opened(node, 1, set())
    for deeper in range(2, num_levels(node) + 1):
        candidate = _opened(node, deeper, set())
        if num_nodes(candidate) > _MANY_NODES:
            return _partly_opened(node, deeper)
        tree = candidate
    return tree


def _partly_opened(node: Node, depth: int) -> Node:
    """Return a node opened down to the level above `depth`, and those structures of `depth` that leave few nodes."""
    structures: set[Hashable] = set()
    tree = _opened(node, depth - 1, structures)
    closed = [structure for structure in dict.fromkeys(_closed_structures(tree)) if structure not in structures]
    for structure in tuple(closed):
        others = {other for other in closed if other != structure}
        candidate = _opened(node, depth, others)
        if num_nodes(candidate) <= _MANY_NODES:
            tree = candidate
            closed.remove(structure)
    return tree


def _closed_structures(node: Node) -> Iterator[Hashable]:
    """Yield the structures of the nodes that are not opened, in order."""
    for child in node.children:
        if child.is_opened:
            yield from _closed_structures(child)
        elif child.children:
            yield structure_of(child)


def num_nodes(node: Node) -> int:
    """Return the number of nodes drawn inside a node."""
    return sum(1 + num_nodes(child) for child in node.drawn)


def num_levels(node: Node) -> int:
    """Return how many levels of nodes are inside a node."""
    return max((1 + num_levels(child) for child in node.children), default=0)


def _opened(node: Node, depth: int, structures: set[Hashable] | None) -> Node:
    """Return a node opened down to `depth`, closed if its structure is among those that were opened before."""
    structure = structure_of(node)
    if depth == 0 or not node.children or (structures is not None and structure in structures):
        return node
    if structures is not None:
        structures.add(structure)
    children = tuple(_opened(child, depth - 1, structures) for child in node.children)
    return replace(node, children=children, is_opened=True)


@dataclass(slots=True)
class _CallTree:
    """A call with the calls and operators inside it, and the edges between those, which name them by their steps."""

    call: Call
    members: dict[int, _CallTree | Operation]
    inputs: dict[int, int] = field(default_factory=dict)
    outputs: dict[int, int] = field(default_factory=dict)
    edges: dict[tuple[int, int, int, int], None] = field(default_factory=dict)

    def input_port(self, source: int) -> int:
        return self.inputs.setdefault(source, len(self.inputs))

    def output_port(self, source: int) -> int:
        return self.outputs.setdefault(source, len(self.outputs))


def _call_tree(trace: Trace) -> _CallTree:
    """Return the call of the root, with all that ran in it; calls in which nothing computed are left out."""
    ends: list[tuple[int, int, Operation | Call]] = [(op.step, 0, op) for op in computing(trace)]
    ends += [(call.end, position, call) for position, call in enumerate(trace.calls, start=1)]
    open_: dict[int, _CallTree | Operation] = {}
    for _, _, item in sorted(ends, key=lambda end: end[:2]):
        if isinstance(item, Operation):
            open_[item.step] = item
            continue
        inside = {start: open_.pop(start) for start in [start for start in open_ if start > item.begin]}
        if inside or trace.layers[item.layer].depth == 0:
            open_[item.begin] = _CallTree(item, inside)
    (root,) = (tree for tree in open_.values() if isinstance(tree, _CallTree))
    return root


def _connect(root: _CallTree, trace: Trace) -> None:
    """Add each edge to the innermost call that contains both of its ends, with ports on the calls in between."""
    chains = dict(_chains(root, (root,)))
    for i in range(len(trace.input_storages)):
        root.input_port(-1 - i)
    for flow in tensor_flow(trace):
        if flow.source not in chains and flow.source > 0:
            continue
        above, below = chains.get(flow.source, (root,)), chains.get(flow.target, (root,))
        common = sum(1 for a, b in zip(above, below, strict=False) if a is b)
        start = (flow.source, 0) if flow.source > 0 else (BOUNDARY, root.input_port(flow.source))
        for tree in reversed(above[common:]):
            port = tree.output_port(flow.source)
            tree.edges[(*start, BOUNDARY, port)] = None
            start = (tree.call.begin, port)
        place = above[common - 1]
        for tree in below[common:]:
            place.edges[(*start, tree.call.begin, tree.input_port(flow.source))] = None
            start, place = (BOUNDARY, tree.input_port(flow.source)), tree
        end = (flow.target, 0) if flow.target != OUTPUT else (BOUNDARY, root.output_port(flow.source))
        place.edges[(*start, *end)] = None


def _chains(tree: _CallTree, chain: tuple[_CallTree, ...]) -> Iterator[tuple[int, tuple[_CallTree, ...]]]:
    """Yield the step of each operator with the calls that it ran in, the outermost first."""
    for start, member in tree.members.items():
        if isinstance(member, _CallTree):
            yield from _chains(member, (*chain, member))
        else:
            yield start, chain


class _Builder:
    """Makes the nodes of a trace from its calls."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._params: defaultdict[str, int] = defaultdict(int)
        for layer in trace.layers:
            for path in _ancestors(layer.path):
                self._params[path] += _own_params(layer)

    def node(self, tree: _CallTree) -> Node:
        layer = self._trace.layers[tree.call.layer]
        children, edges = self._inside(tree) if self._is_opened(tree, layer) else ((), ())
        return Node(
            name=_name(layer),
            type=layer.type,
            path=layer.path,
            output_shape=_without_batch(tree.call.outputs[0].shape) if tree.call.outputs else None,
            params=self._params[layer.path],
            macs=sum(operation.macs for operation in _operations(tree)),
            heads=max(map(_heads, _operations(tree)), default=0) if layer.is_leaf else 0,
            children=children,
            edges=edges,
        )

    def _is_opened(self, tree: _CallTree, layer: Layer) -> bool:
        if layer.is_leaf:
            return not layer.is_torch_module and len(tree.members) > 1
        return True

    def _inside(self, tree: _CallTree) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
        places = {start: place for place, start in enumerate(tree.members)}
        holders: set[int] = set()
        nodes = [
            self.node(member) if isinstance(member, _CallTree) else self._operator(member, holders)
            for member in tree.members.values()
        ]
        edges = [
            Edge(places.get(source, BOUNDARY), places.get(target, BOUNDARY), source_port, target_port)
            for source, source_port, target, target_port in tree.edges
        ]
        return merged(nodes, edges)

    def _operator(self, operation: Operation, holders: set[int]) -> Node:
        """Return an operator's node. Of those that multiply by a layer's parameters, the first has them."""
        row = self._trace.rows[operation.step]
        owner = self._trace.layers[row.layer]
        multiplies = row.operator is None and not self._trace.runs_in_leaf(operation)
        is_other = multiplies and row.layer != operation.layer
        holds = multiplies and row.layer not in holders
        if holds:
            holders.add(row.layer)
        return Node(
            name=_name(owner) if is_other else operation.origin.partition(".")[2],
            type=owner.type if is_other else "",
            path=self._trace.row_of(operation),
            output_shape=_without_batch(operation.outputs[0].shape) if operation.outputs else None,
            params=_own_params(owner) if holds else 0,
            macs=operation.macs,
            heads=_heads(operation),
        )


def _operations(tree: _CallTree) -> Iterator[Operation]:
    for member in tree.members.values():
        yield from [member] if isinstance(member, Operation) else _operations(member)


def _own_params(layer: Layer) -> int:
    return sum(parameter.numel for parameter in layer.parameters)


def _name(layer: Layer) -> str:
    """Return the last part of a module's path, with the one before it if that is a number."""
    parts: Sequence[str] = layer.path.split(".") if layer.depth else (layer.type,)
    return ".".join(parts[-2:]) if parts[-1].isdigit() else parts[-1]


def _heads(operation: Operation) -> int:
    """Return the heads of attention on queries of shape (batch, heads, length, size); otherwise 0."""
    shape = operation.inputs[0].shape if operation.inputs else ()
    return shape[1] if operation.origin == "aten.scaled_dot_product_attention" and len(shape) == 4 else 0


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without its batch of 1, unless an operator merged that into another dimension."""
    return shape[1:] if shape[:1] == (1,) else shape


def _ancestors(path: str) -> Iterable[str]:
    """Yield a path, those above it, and the root's `.`."""
    parts = path.split(".") if path != "." else []
    yield from (".".join(parts[:i]) for i in range(len(parts), 0, -1))
    yield "."
