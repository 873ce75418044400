"""The chart of one layer's arithmetic: input, window and output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from archbench.analyze.explain.explain import LayerExplanation, explain
from archbench.analyze.layers import LayerRow
from archbench.api.plot_models import single_model
from archbench.errors import UsageError, nearest
from archbench.models.loaded import Inputs, Model, load_model
from archbench.reporting.charts.convolution import Slide, convolution_chart
from archbench.reporting.charts.model_names import model_title
from archbench.reporting.tables.explain import equation, shown_together
from archbench.trace.records import Trace, Window
from archbench.units import format_dimensions, format_integer, format_step

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size

_SHOWN = ("output length", "output depth", "output height", "output width", "weights", "parameters", "MACs")


def convolution(
    what: Sequence[Model | Path],
    *,
    layer: str | Sequence[str] | None = None,
    inputs: Inputs = None,
    **size: Unpack[Size],
) -> Chart:
    """Return how the window of a layer slides, by default of the first convolution, with the layer's own numbers."""
    names = [layer] if isinstance(layer, str) else list(layer or ())
    if len(names) > 1:
        raise UsageError(f"plot convolution takes one {{layer}}, got {len(names)}", layer=...)
    loaded = load_model(single_model(what, "convolution"), inputs)
    trace = loaded.trace(1, "eval", None)
    windows = dict(_windows(trace))
    explained = {each.row.name: each for each in explain(trace).layers}
    chosen = names[0] if names else _first(windows, explained, loaded.name)
    if chosen not in windows:
        hint = nearest(chosen, windows) or f"; 'archbench summary {loaded.name}' lists kernels"
        raise UsageError(
            f"{{layer}} is not a convolution or pooling with a fixed window in {loaded.name}{hint}", layer=chosen
        )
    slide = _slide(windows[chosen], explained[chosen].row)
    sizes = " → ".join(format_dimensions(each) for each in (slide.input_size, slide.output_size))
    by = f"windows of {format_dimensions(slide.window.kernel)}, stride {format_step(slide.window.stride)}"
    title = f"{chosen} of {model_title(loaded.name, loaded.card)}: {sizes} by {by}"
    subject = [*_arithmetic(explained[chosen]), "Filled: the first output and what it reads. Dashed: the next one."]
    return convolution_chart(slide, title=title, subject=subject, **size)


def _windows(trace: Trace) -> Iterator[tuple[str, Window]]:
    """Yield the windows of the rows that slide one; of several in a row the last."""
    for operation in trace.operations:
        if operation.window is not None and operation.window.output_padding is None and operation.window.kernel:
            yield trace.row_of(operation), operation.window


def _first(windows: dict[str, Window], explained: dict[str, LayerExplanation], model: str) -> str:
    convolutions = [name for name in windows if explained[name].row.macs]
    if not convolutions:
        raise UsageError(f"nothing to plot: {model} has no convolution")
    return convolutions[0]


def _slide(window: Window, row: LayerRow) -> Slide:
    """Return the window in two dimensions: one is one input high, of three the last two are drawn."""
    assert row.input_shape is not None, "a layer with a window was called"
    assert row.output_shape is not None, "a layer with a window was called"
    kernel, stride, padding, dilation = (
        _two(each, empty)
        for each, empty in ((window.kernel, 1), (window.stride, 1), (window.padding, 0), (window.dilation, 1))
    )
    before, after = row.input_shape, row.output_shape
    input_size, output_size = (_two(shape[2:], 1) for shape in (before, after))
    filters = format_dimensions((row.output_shape[1],))
    maps = f"{filters} filters" if row.macs else "each map alone"
    products = row.macs // row.neurons if row.macs and row.neurons and row.macs % row.neurons == 0 else None
    each = "" if products is None else f", {format_integer(products)} products each"
    padded = f", padding {format_step(window.padding)}" if any(window.padding) else ""
    return Slide(
        Window(kernel, stride, padding, None, dilation, window.rounds_up),
        input_size,
        output_size,
        (
            f"{format_dimensions(before[1:])}{padded}",
            f"{format_dimensions(window.kernel)}, {maps}",
            f"{format_dimensions(after[1:])}{each}",
        ),
    )


def _two(sizes: Sequence[int], missing: int) -> tuple[int, int]:
    """Return the last two entries; one entry is the width."""
    return (missing, sizes[0]) if len(sizes) == 1 else (sizes[-2], sizes[-1])


def _arithmetic(layer: LayerExplanation) -> list[str]:
    """Return the derivations of sizes and costs, as `archbench explain` prints them."""
    groups = shown_together(layer, is_walk=False)
    # Few typefaces have the signs of a rounded division.
    rounding = str.maketrans({"⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")"})
    return [equation(group).translate(rounding) for group in groups if group[0].symbol in _SHOWN]
