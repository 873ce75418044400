"""`archbench explain`: every figure of a layer, derived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Batch, Inputs, Model
from cli.output import Destination, output_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archbench.analyze.explain.explain import LayerExplanation


_Layer = typer.Argument(metavar="[LAYER]", help="A row of the summary, such as conv1; without it, all.")


@output_options(has_latex=True)
def explain(
    model: Model,
    layer: Annotated[str | None, _Layer] = None,
    input: Inputs = None,
    batch: Batch = 1,
    *,
    target: Destination,
) -> None:
    """Derive each figure of a layer in one line with its own numbers.

    Output sizes, weights, MACs, FLOPs, neurons, memory, receptive field; without LAYER, a walk through the model.

    Example: archbench explain alexnet conv1
    """
    from archbench.analyze.explain.explain import explain as derive
    from archbench.reporting.export import latex as derivations_latex
    from archbench.reporting.tables import explain as derivations
    from archbench.reporting.tables.model import caveats
    from cli.loading import load
    from cli.output import warn

    loaded = load(model, input)
    trace = loaded.trace(batch, "eval", None)
    found = derive(trace)
    layers = _chosen(found.layers, layer, model)
    title = f"{model}, batch {batch}"
    if target.format in ("csv", "json"):
        target.deliver(derivations.to_table(layers), derivations.to_data(layers))
    elif target.format == "latex":
        target.deliver_text(derivations_latex.to_latex(found, layers, title))
    elif target.format == "markdown":
        target.deliver_text(derivations.to_markdown(found, layers, title))
    else:
        target.deliver_text(derivations.to_text(found, layers, title))
    for caveat in caveats(model, found.table, trace.real_data_reason):
        warn(caveat)


def _chosen(layers: Sequence[LayerExplanation], name: str | None, model: str) -> Sequence[LayerExplanation]:
    """Return the layer of that name, all without one. Raises UsageError if there is none."""
    from archbench.errors import UsageError, nearest

    if name is None:
        return layers
    chosen = [layer for layer in layers if layer.row.name == name]
    if not chosen:
        hint = nearest(name, (layer.row.name for layer in layers))
        raise UsageError(f"{model} has no layer '{name}'{hint or f'; archbench summary {model} lists them'}")
    return chosen
