"""A model as SVG: its modules and operators as boxes, and the tensors between them as arrows, from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archbench.analyze.diagram.nodes import BOUNDARY, Edge, Node
from archbench.reporting.drawings.boxes import Box, arranged
from archbench.reporting.drawings.canvas import MARGIN, THEME_FAINT, THEME_INK, THEME_PAPER, Canvas, text_width
from archbench.reporting.drawings.layered import Point
from archbench.reporting.drawings.palette import counts, dimensions

TEXT_SIZE = 13.0
LONGEST = 28  # characters of a name
INSET = 8.0
LINE_HEIGHT = 17.0
BARS_HEIGHT = 14.0
STACK = 4.0  # offset of the sheets that stand for repeated blocks and heads
LEAST_WIDTH = 64.0
ONE_LINE = 150.0  # the widest box whose text is not broken
LEAST_SHARE = 0.001  # of parameters or MACs that a box has bars for

PARAMS, MACS = "#d55e00", THEME_INK

# The first word that a type has decides.
KINDS = (
    ("attention", "#cc79a7", "attention"),
    ("norm", "#8c8c8c", "normalisation"),
    ("conv", "#0072b2", "convolution"),
    ("pool", "#e69f00", "pooling"),
    ("linear", "#009e73", "fully connected, matrix product"),
)
_ATTENTION, _PRODUCTS = KINDS[0], KINDS[-1]
_SIGNS = {"add": "+", "mul": "×", "sub": "−", "div": "÷"}

_CAPTION = (
    "Arrows are tensors, from the operator that makes them to those that read them. Shapes are of outputs, without the"
    " batch. ×n and sheets: n equal blocks that follow each other. A bar is a box's share of the whole model, of all n."
)


def graph_svg(
    graph: Node, title: str, input_shapes: Sequence[Sequence[int]], links: Mapping[Node, str] | None = None
) -> str:
    """Return a model's graph, opened as far as it is to be drawn, as SVG; `input_shapes` are without the batch.

    The boxes of `links` get their texts as an attribute `data-opens`.
    """
    canvas = Canvas()
    inputs = ", ".join(dimensions(shape) for shape in input_shapes)
    subtitle = f"input {inputs}; {counts(graph.params, graph.macs)}"
    painter = Painter(canvas, graph, links)
    box = arranged(with_ends(graph, input_shapes), painter.size)
    top = canvas.heading(title, subtitle)
    painter.inside(box, MARGIN - INSET, top)
    legend = [(colour, meaning) for _, colour, meaning in KINDS if meaning in painter.kinds]
    legend += [(PARAMS, "share of parameters"), (MACS, "share of MACs")]
    return canvas.page(title, subtitle, top + box.height, MARGIN + box.width, legend, _CAPTION)


def inside_svg(node: Node, whole: Node, links: Mapping[Node, str]) -> str:
    """Return the graph inside a node as SVG, with bars for shares of the `whole` model, and links as `graph_svg`."""
    canvas = Canvas()
    painter = Painter(canvas, whole, links)
    num_inputs = 1 + max((edge.source_port for edge in node.edges if edge.source == BOUNDARY), default=-1)
    box = arranged(with_ends(node, [None] * num_inputs), painter.size)
    top = canvas.heading(node.name, f"{node.type}; {counts(node.params, node.macs)}")
    painter.inside(box, MARGIN - INSET, top)
    return canvas.page(node.name, node.type, top + box.height, MARGIN + box.width, (), "")


def with_ends(graph: Node, input_shapes: Sequence[Sequence[int] | None]) -> Node:
    """Return a graph with its inputs and outputs as nodes."""
    inputs = tuple(_end("input", i, len(input_shapes), shape) for i, shape in enumerate(input_shapes))
    num_outputs = 1 + max((edge.target_port for edge in graph.edges if edge.target == BOUNDARY), default=-1)
    outputs = tuple(
        _end("output", i, num_outputs, graph.output_shape if num_outputs == 1 else None) for i in range(num_outputs)
    )
    num_inputs, end = len(inputs), len(inputs) + len(graph.children)
    edges = tuple(
        Edge(
            edge.source_port if edge.source == BOUNDARY else edge.source + num_inputs,
            end + edge.target_port if edge.target == BOUNDARY else edge.target + num_inputs,
            0 if edge.source == BOUNDARY else edge.source_port,
            0 if edge.target == BOUNDARY else edge.target_port,
        )
        for edge in graph.edges
    )
    children = (*inputs, *graph.children, *outputs)
    return replace(graph, path=".", repeats=1, children=children, edges=edges, is_opened=True)


def _end(name: str, number: int, count: int, shape: Sequence[int] | None) -> Node:
    numbered = f"{name} {number + 1}" if count > 1 else name
    return Node(numbered, "", name, None if shape is None else tuple(shape), 0, 0)


class Painter:
    """Measures and draws boxes on a canvas. `kinds` are the meanings of the colours that it used."""

    def __init__(self, canvas: Canvas, whole: Node, links: Mapping[Node, str] | None = None) -> None:
        self.kinds: set[str] = set()
        self._links = links or {}
        self._canvas = canvas
        self._params, self._macs = max(1, whole.params), max(1, whole.macs)

    def size(self, node: Node, times: int) -> Point:
        """Return the size of a closed node's box, or of an opened one's heading; the whole has none."""
        if node.path == ".":
            return 0.0, 0.0
        lines = self._lines(node, times)
        width = max(LEAST_WIDTH, *(_title_width(*line) for line in lines)) + 2 * INSET
        bars = BARS_HEIGHT if self._has_bars(node, times) and not node.is_opened else 0.0
        stack = 0.0 if node.is_opened else _sheets(node) * STACK
        return width + stack, LINE_HEIGHT * len(lines) + INSET + bars + stack

    def inside(self, box: Box, x: float, y: float) -> None:
        """Draw the boxes inside a box whose corner is given, and the lines between them."""
        for line in box.lines:
            points = [(a + x, b + y) for a, b in line.points]
            self._canvas.curve(points, has_head=line.target is not None)
        for inner in box.boxes:
            self._box(inner, x + inner.x, y + inner.y)

    def _lines(self, node: Node, times: int) -> list[tuple[str, str]]:
        """Return the lines of a box: its bold text, and what follows it; below the first only the latter."""
        kind = [_shortened(node.type)] if node.type not in ("", node.name) else []
        heads = [f"{node.heads} heads"] if node.heads else []
        shape = [dimensions(node.output_shape)] if node.output_shape is not None else []
        rest = [*kind, *heads, *shape]
        if node.is_opened or self._has_bars(node, times):
            return [(_title(node), ""), *(("", text) for text in rest)]
        line = _title(node), "  ".join(rest)
        return [line] if not kind or _title_width(*line) <= ONE_LINE else [(line[0], ""), ("", line[1])]

    def _has_bars(self, node: Node, times: int) -> bool:
        return max(self._shares(node, times)) >= LEAST_SHARE

    def _shares(self, node: Node, times: int) -> tuple[float, float]:
        return times * node.params / self._params, times * node.macs / self._macs

    def _box(self, box: Box, x: float, y: float) -> None:
        node, colour = box.node, self._colour(box.node)
        outline = THEME_FAINT if colour == THEME_INK else colour
        opens = self._links.get(node)
        self._canvas.begin("block", _description(node), **({} if opens is None else {"data-opens": opens}))
        stack = 0.0 if node.is_opened else _sheets(node) * STACK
        width, height = box.width - stack, box.height - stack
        for offset in [sheet * STACK for sheet in range(_sheets(node), -1, -1)]:
            self._rectangle(x + offset, y + offset, width, height, THEME_PAPER, outline, 1.0)
        opacity = 0.04 if node.is_opened else 0.1 if colour == THEME_INK else 0.2
        self._rectangle(x, y, width, height, colour, outline, opacity)
        baseline = y + INSET / 2 + 0.76 * LINE_HEIGHT
        for name, remark in self._lines(node, box.times):
            colour = THEME_INK if name else THEME_FAINT
            self._canvas.text(
                x + INSET,
                baseline,
                name or remark,
                TEXT_SIZE,
                bold=bool(name),
                colour=colour,
                remark=remark if name else "",
            )
            baseline += LINE_HEIGHT
        if node.is_opened:
            self.inside(box, x, y)
        elif self._has_bars(node, box.times):
            self._bars(box, x + INSET, y + height - BARS_HEIGHT, width - 2 * INSET)
        self._canvas.end()

    def _rectangle(
        self, x: float, y: float, width: float, height: float, fill: str, outline: str, opacity: float
    ) -> None:
        self._canvas.rectangle(x, y, width, height, fill, radius=5, opacity=opacity, outline=outline, stroke=1)

    def _colour(self, node: Node) -> str:
        lowered = (node.type or node.name).lower()
        known = next((kind for kind in KINDS if kind[0] in lowered), None)
        if known is None and node.macs:
            known = _PRODUCTS
        if known is None or (node.children and known is not _ATTENTION):
            return THEME_INK
        self.kinds.add(known[2])
        return known[1]

    def _bars(self, box: Box, x: float, y: float, width: float) -> None:
        for number, (share, colour) in enumerate(zip(self._shares(box.node, box.times), (PARAMS, MACS), strict=True)):
            self._canvas.bar(x, y + 5 * number, width, 4.0, min(1.0, share), colour)


def _title(node: Node) -> str:
    sign = "" if node.type else _SIGNS.get(node.name.rstrip("_"), "")
    repeats = f"×{node.repeats}" if node.repeats > 1 else ""
    return " ".join(part for part in (sign, _shortened(node.name), repeats) if part)


def _title_width(name: str, remark: str) -> float:
    gap = TEXT_SIZE if name and remark else 0.0
    return text_width(name, TEXT_SIZE, bold=True) + gap + text_width(remark, TEXT_SIZE)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _sheets(node: Node) -> int:
    return 2 if node.repeats > 1 or node.heads > 1 else 0


def _description(node: Node) -> str:
    return f"{node.path} {node.type}".strip() + f": {counts(node.params, node.macs)}"
