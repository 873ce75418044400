"""Place the nodes of a graph: a box each, and inside the box of an opened module its own graph.

Each graph is laid out by itself. Its inputs and outputs are ports on the upper and lower side of its module's box, to
which the lines outside lead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from archbench.analyze.diagram.nodes import BOUNDARY, Edge, Node
from archbench.reporting.drawings.layered import ROW_GAP, Line, Link, Point, layered

PORT = 8.0
PADDING = 14.0

Size = Callable[[Node, int], Point]


@dataclass(frozen=True, slots=True)
class Box:
    """A node's rectangle, with its upper left corner in the coordinates of the box around it.

    It stands for `times` equal ones: those of the node and of the nodes around it. `inputs` and `outputs` are the
    distances of its ports from its left side; a closed box has all in its middle.
    """

    node: Node
    x: float
    y: float
    width: float
    height: float
    times: int
    boxes: tuple[Box, ...] = ()
    lines: tuple[Line, ...] = ()
    inputs: tuple[float, ...] = ()
    outputs: tuple[float, ...] = ()

    def input(self, port: int) -> float:
        """Return the distance of an input from the middle."""
        return self.inputs[port] - self.width / 2 if self.boxes else 0.0

    def output(self, port: int) -> float:
        """Return the distance of an output from the middle."""
        return self.outputs[port] - self.width / 2 if self.boxes else 0.0


def arranged(node: Node, size: Size, times: int = 1) -> Box:
    """Return a node's box at the origin, which is one of `times` equal ones.

    `size` is that of a closed box, or of an opened one's heading, from its node and for how many it stands.
    """
    times *= node.repeats
    if not node.is_opened:
        return Box(node, 0.0, 0.0, *size(node, times), times)
    inner = [arranged(child, size, times) for child in node.children]
    heading_width, heading_height = size(node, times)
    num_inputs = 1 + max((edge.source_port for edge in node.edges if edge.source == BOUNDARY), default=-1)
    num_outputs = 1 + max((edge.target_port for edge in node.edges if edge.target == BOUNDARY), default=-1)
    count = len(inner)
    sizes = [(box.width, box.height) for box in inner]
    entry = max(0.0, heading_height - ROW_GAP / 2)  # the lines may bend beside the end of the heading
    sizes += [(PORT, entry)] * num_inputs + [(PORT, 0.0)] * num_outputs
    places = [*inner, *[None] * (num_inputs + num_outputs)]
    first, last = range(count, count + num_inputs), range(count + num_inputs, len(sizes))
    layout = layered(sizes, [_link(edge, places, first, last) for edge in node.edges], first, last)
    # The heading stands to the left of the lines from the ports.
    ports = [layout.corners[i][0] for i in first]
    left = max(PADDING, heading_width - min(ports, default=layout.width))
    top = 0.0 if num_inputs or not heading_height else heading_height
    boxes = tuple(
        replace(box, x=x + left, y=y + top) for box, (x, y) in zip(inner, layout.corners[:count], strict=True)
    )
    entries = tuple(_entry(x + PORT / 2 + left, entry) for x in ports)
    return Box(
        node,
        0.0,
        0.0,
        max(layout.width + left, heading_width) + PADDING,
        layout.height + top + (0.0 if num_outputs else PADDING),
        times,
        boxes,
        (*entries, *(_moved(line, left, top) for line in layout.lines)),
        tuple(x + PORT / 2 + left for x in ports),
        tuple(layout.corners[i][0] + PORT / 2 + left for i in last),
    )


def _link(edge: Edge, places: list[Box | None], first: range, last: range) -> Link:
    source = first[edge.source_port] if edge.source == BOUNDARY else edge.source
    target = last[edge.target_port] if edge.target == BOUNDARY else edge.target
    above, below = places[source], places[target]
    return Link(
        source,
        target,
        0.0 if above is None else above.output(edge.source_port),
        0.0 if below is None else below.input(edge.target_port),
    )


def _entry(x: float, height: float) -> Line:
    """Return the line from an input's port to the lower end of the heading."""
    return Line(((x, 0.0), (x, height / 2), (x, height / 2), (x, height)), None)


def _moved(line: Line, x: float, y: float) -> Line:
    a, b, c, d = ((point[0] + x, point[1] + y) for point in line.points)
    return Line((a, b, c, d), line.target)
