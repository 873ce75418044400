"""A model as SVG: blocks nested like its modules, with columns for shape, parameters and MACs.

Labels never overlap: their room is an upper bound of their width in a sans-serif typeface.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archbench.analyze.diagram.blocks import Block
from archbench.reporting.drawings.canvas import FAINT, MARGIN, Canvas, lighter, text_width
from archbench.reporting.drawings.palette import CLEARANCE, COLOURS, LABEL_SIZE, STEP_SIZE, counts, dimensions
from archbench.units import format_count, format_integer

BLOCK_HEIGHT = 22.0
BLOCK_GAP = 4.0
INSET = 10.0
LEAST_TITLES = 290.0
LONGEST_NAME = 44

MULTIPLIES, HOLDS, NEITHER = COLOURS["convolution"][0], COLOURS["pooling"][0], COLOURS["input"][0]

_BLOCKS = (
    "Blocks stand in the order of first execution. ×n: n equal blocks follow each other, and the figures are of one."
    " Shapes are without the batch."
)


def blocks_svg(tree: Block, title: str, input_shapes: Sequence[tuple[int, ...]]) -> str:
    """Return the nested blocks as SVG; `input_shapes` are without the batch."""
    canvas = Canvas()
    inputs = ", ".join(dimensions(shape) for shape in input_shapes)
    subtitle = f"input {inputs}; {counts(tree.params, tree.macs)}"
    blocks = tree.children or (tree,)
    columns = _columns(blocks)
    top = canvas.heading(title, subtitle) + LABEL_SIZE
    for heading, x in zip(("output", "parameters", "MACs"), columns, strict=True):
        canvas.text(x, top, heading, STEP_SIZE, anchor="end", colour=FAINT)
    right = columns[-1] + INSET * _levels(blocks)
    y = top + CLEARANCE
    for block in blocks:
        y = _draw_block(canvas, block, MARGIN, y, right, columns) + BLOCK_GAP
    legend = [(MULTIPLIES, "MACs"), (HOLDS, "parameters, no MACs"), (NEITHER, "neither")]
    return canvas.page(title, subtitle, y + CLEARANCE, right, legend, _BLOCKS)


def _columns(blocks: Sequence[Block]) -> tuple[float, float, float]:
    """Return the right ends of the columns, each as wide as its widest entry or heading."""
    entries = list(_entries(blocks, level=0))
    x = MARGIN + max(LEAST_TITLES, *(INSET * level + _title_width(block) for block, level in entries))
    ends = []
    for number, heading in enumerate(("output", "parameters", "MACs")):
        texts = [heading, *(_figures(block)[number] for block, _ in entries)]
        x += max(text_width(text, LABEL_SIZE) for text in texts) + 2 * CLEARANCE
        ends.append(x)
    return ends[0], ends[1], ends[2]


def _entries(blocks: Sequence[Block], level: int) -> Iterator[tuple[Block, int]]:
    for block in blocks:
        yield block, level
        yield from _entries(block.children, level + 1)


def _levels(blocks: Sequence[Block]) -> int:
    return 1 + max(level for _, level in _entries(blocks, level=0))


def _title(block: Block) -> tuple[str, str]:
    """Return a block's name, for bold text, and its type, for the text after it."""
    name = block.name if len(block.name) <= LONGEST_NAME else f"{block.name[: LONGEST_NAME - 1]}…"
    kind = block.type if len(block.type) <= LONGEST_NAME else f"{block.type[: LONGEST_NAME - 1]}…"
    return f"{name} ×{block.repeats}" if block.repeats > 1 else name, kind if kind != name else ""


def _title_width(block: Block) -> float:
    name, kind = _title(block)
    return 1.5 * INSET + text_width(name, LABEL_SIZE, bold=True) + LABEL_SIZE + text_width(kind, LABEL_SIZE)


def _figures(block: Block) -> tuple[str, str, str]:
    return dimensions(block.output_shape or ()), format_integer(block.params), format_count(block.macs)


def _draw_block(canvas: Canvas, block: Block, x: float, y: float, right: float, columns: Sequence[float]) -> float:
    """Draw a block and its children from `y` downwards, and return its lower end."""
    canvas.begin("block", f"{_title(block)[0]}: {counts(block.params, block.macs)}")
    height = _block_height(block)
    colour = MULTIPLIES if block.macs else HOLDS if block.params else NEITHER
    canvas.rectangle(x, y, right - x, height, lighter(colour, 0.94 if block.children else 0.8), radius=5)
    canvas.rectangle(x + 4, y + 5, 4, BLOCK_HEIGHT - 10, colour)
    baseline = y + 0.68 * BLOCK_HEIGHT
    name, kind = _title(block)
    canvas.text(x + 1.5 * INSET, baseline, name, LABEL_SIZE, bold=True, remark=kind)
    for figure, end in zip(_figures(block), columns, strict=True):
        canvas.text(end, baseline, figure, LABEL_SIZE, anchor="end")
    inside = y + BLOCK_HEIGHT
    for child in block.children:
        inside = _draw_block(canvas, child, x + INSET, inside, right - INSET, columns) + BLOCK_GAP
    canvas.end()
    return y + height


def _block_height(block: Block) -> float:
    inside = sum(_block_height(child) + BLOCK_GAP for child in block.children)
    return BLOCK_HEIGHT + inside + (BLOCK_GAP if block.children else 0)
