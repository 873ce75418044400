"""How the receptive field of one unit grows, layer by layer, back to the input or to the input of a layer.

Of branches that are joined, the one with the largest field is followed. Layers that neither widen the field nor move it
further, such as 1x1 convolutions, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from archbench.analyze.receptive_field import Field, Step, field_after
from archbench.trace.records import Window


@dataclass(frozen=True, slots=True)
class SeenUnits:
    """The units of a layer that the unit at the end of the path sees, an entry per spatial dimension.

    `field` is that of one unit, `first` the first unit and `count` the number of units; `window` is that of the layer,
    None for the input.
    """

    name: str
    window: Window | None
    field: Field
    first: tuple[int, ...]
    count: tuple[int, ...]

    def begin(self, unit: Sequence[int]) -> tuple[Fraction, ...]:
        """Return the first input that a unit sees."""
        return tuple(
            c + i * s - Fraction(n - 1, 2)
            for c, i, s, n in zip(self.field.centre, unit, self.field.stride, self.field.size, strict=True)
        )

    def middle(self) -> tuple[int, ...]:
        """Return the unit in the middle of those seen, the first of two."""
        return tuple(i + (n - 1) // 2 for i, n in zip(self.first, self.count, strict=True))


def receptive_growth(
    steps: Mapping[str, Step], last: str, first: str | None, unit: Sequence[int]
) -> list[SeenUnits] | None:
    """Return what a unit of `last` sees of the input and of each layer on the path, from the input on.

    With `first`, the input is that of this layer; None if it is not on the path to `last`.
    """
    path = _path(steps, last, first)
    if path is None:
        return None
    rank = len(unit)
    fields = [Field((1,) * rank, (1,) * rank, (Fraction(0),) * rank)]
    for name in path:
        fields.append(field_after(fields[-1], steps[name].window))
    if first is None:  # the fields of joined branches, which may be centred differently
        fields[1:] = [steps[name].after for name in path]
    seen = [SeenUnits(last, steps[last].window, fields[-1], tuple(unit), (1,) * rank)]
    for name, below, field in zip(path[::-1], [*path[-2::-1], None], fields[-2::-1], strict=True):
        seen.append(
            _below(seen[-1], steps[name].window, below, steps, field, "input" if first is None else f"input of {first}")
        )
    return seen[::-1]


def _below(
    above: SeenUnits, window: Window, name: str | None, steps: Mapping[str, Step], field: Field, start: str
) -> SeenUnits:
    """Return the units that those of the layer above see through its window."""
    first = tuple(i * s - p for i, s, p in zip(above.first, window.stride, window.padding, strict=True))
    count = tuple(
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip(above.count, window.stride, window.dilation, window.kernel, strict=True)
    )
    return SeenUnits(name or start, steps[name].window if name else None, field, first, count)


def _path(steps: Mapping[str, Step], last: str, first: str | None) -> list[str] | None:
    """Return the layers from `first`, or the input, to `last` that make its field."""
    names = list(steps)
    path = [last]
    place = names.index(last)
    while path[0] != first:
        before = steps[path[0]].before
        below = [i for i in range(place) if _grows(steps[names[i]]) and _fits(steps[names[i]].after, before)]
        if not below:
            break
        place = max(below, key=lambda i: (steps[names[i]].after == before, steps[names[i]].after.size, i))
        path.insert(0, names[place])
    return path if first in (None, path[0]) else None


def _grows(step: Step) -> bool:
    return step.after.size != step.before.size or step.after.stride != step.before.stride


def _fits(field: Field, before: Field) -> bool:
    """Return whether a field can be that of the units which a layer reads, or the largest of them."""
    return field.stride == before.stride and all(a <= b for a, b in zip(field.size, before.size, strict=True))
