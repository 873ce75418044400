"""The chart of a receptive field that grows on the input."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from archbench.analyze.layers import LayerRow, layer_table
from archbench.analyze.receptive_field import ReceptiveFields, receptive_fields
from archbench.analyze.receptive_growth import SeenUnits, receptive_growth
from archbench.api.plot_models import single_model
from archbench.errors import UsageError, nearest
from archbench.models.loaded import Inputs, Model, load_model
from archbench.reporting.charts.model_names import model_title
from archbench.reporting.charts.receptive_field import receptive_field_chart
from archbench.reporting.tables.explain import gap_sentence
from archbench.units import format_dimensions, format_integer

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size


def receptive_field(
    what: Sequence[Model | Path],
    *,
    layer: str | Sequence[str] | None = None,
    inputs: Inputs = None,
    **size: Unpack[Size],
) -> Chart:
    """Return how the field of one unit grows: of the last window's, a layer's, or from the first to the last layer."""
    names = [layer] if isinstance(layer, str) else list(layer or ())
    loaded = load_model(single_model(what, "receptive-field"), inputs)
    trace = loaded.trace(1, "eval", None)
    rows = {row.name: row for row in layer_table(trace).rows}
    fields = receptive_fields(trace)
    last = names[-1] if names else _last(fields, rows, loaded.name)
    for name in names:
        _require_window(name, fields, loaded.name)
    first = names[0] if len(names) > 1 else None
    seen = receptive_growth(fields.steps, last, first, _middle(rows[last], len(fields.steps[last].window.kernel)))
    if len(names) > 2 or seen is None:
        raise UsageError("{layer} is neither one layer nor the first and the last of a path", layer=names)
    title = model_title(loaded.name, loaded.card)
    input_size = _input_size(rows[seen[1].name] if first else None, trace.inputs[0].shape)
    return receptive_field_chart(
        seen, title=_finding(seen, title, first, input_size), input_size=input_size, subject=_subject(seen), **size
    )


def _last(fields: ReceptiveFields, rows: dict[str, LayerRow], model: str) -> str:
    """Return the last layer that slides a window: a fully connected layer or a mean sees everything anyway."""
    sliding = [name for name in fields.steps if rows[name].kernel] or list(fields.steps)
    if not sliding:
        why = f"{model} has no layer with a window"
        raise UsageError(gap_sentence(fields.gap).rstrip(".") if fields.gap else f"nothing to plot: {why}")
    return sliding[-1]


def _require_window(name: str, fields: ReceptiveFields, model: str) -> None:
    if name not in fields.steps:
        hint = nearest(name, fields.steps) or f"; 'archbench explain {model}' lists receptive fields"
        raise UsageError(f"{{layer}} is not a layer of {model} with a window{hint}", layer=name)


def _middle(row: LayerRow, rank: int) -> tuple[int, ...]:
    """Return the unit in the middle of a layer's output."""
    assert row.output_shape is not None, "a layer with a window was called"
    sizes = row.output_shape[-rank:] if len(row.output_shape) >= rank + 2 else (1,) * rank
    return tuple(size // 2 for size in sizes)


def _input_size(row: LayerRow | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the size of the maps that the path begins with: a layer's input, or the model's."""
    return ((row.input_shape if row is not None else None) or shape)[2:]


def _finding(seen: Sequence[SeenUnits], model: str, first: str | None, input_size: tuple[int, ...]) -> str:
    size, last = format_dimensions(seen[-1].field.size), seen[-1].name
    if first is not None:
        return f"{first} to {last} of {model} see {size}, as one {size} window does"
    is_more = any(a > b for a, b in zip(seen[-1].field.size, input_size, strict=True))
    of = "more than" if is_more else "of"
    return f"One unit of {last} of {model} sees {size}{',' * is_more} {of} the {format_dimensions(input_size)} input"


def _subject(seen: Sequence[SeenUnits]) -> list[str]:
    """Return what the picture shows, and for layers of stride 1 the weights that they have less than one window."""
    kernels = [prod(units.window.kernel) for units in seen if units.window]
    scope = "Theoretical fields on the largest path; each layer reads the one before it."
    if any(stride != 1 for stride in seen[-1].field.stride) or not 1 < len(kernels) <= 8:
        return [scope]
    size = seen[-1].field.size
    return [
        f"Weights between two maps: {' + '.join(map(str, kernels))} = {sum(kernels)}, where one"
        f" {format_dimensions(size)} window has {format_integer(prod(size))}.",
        scope,
    ]
