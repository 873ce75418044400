"""Label sizes, colours, and the text of counts and shapes, shared by the drawings of a model."""

from __future__ import annotations

from collections.abc import Sequence

from archbench.analyze.diagram.volumes import Kind
from archbench.units import format_dimensions, format_integer

LABEL_SIZE = 13.0
STEP_SIZE = 12.0
CLEARANCE = 10.0

# Okabe and Ito's palette: safe for colour-blind readers, and distinct in lightness for print.
COLOURS: dict[Kind, tuple[str, str]] = {
    "input": ("#c4c4c4", "input"),
    "convolution": ("#0072b2", "convolution"),
    "pooling": ("#e69f00", "pooling"),
    "dense": ("#009e73", "fully connected"),
    "other": ("#cc79a7", "other"),
}


def counts(params: int, macs: int) -> str:
    """Return `61,100,840 parameters, 714,188,480 MACs`."""
    return f"{format_integer(params)} parameters, {format_integer(macs)} MACs"


def dimensions(shape: Sequence[int]) -> str:
    """Return `3x224x224`; a dash for a shape without dimensions."""
    return format_dimensions(shape) or "-"
