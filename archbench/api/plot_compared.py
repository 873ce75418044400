"""Charts of several models side by side: on common scales, or two of them layer by layer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from archbench.api.compare import compare
from archbench.api.diff import diff
from archbench.api.names import unique_name
from archbench.errors import UsageError
from archbench.models.loaded import Inputs, Model
from archbench.reporting.charts.comparison import ModelLayers, comparison_chart, finding
from archbench.reporting.charts.difference import difference_chart
from archbench.trace.tracer import Mode

if TYPE_CHECKING:
    from archbench.api.summary import Summary
    from archbench.reporting.charts.theme import Chart, Size

_LOG = logging.getLogger("archbench")


def compared(
    what: Sequence[Model | Path], *, inputs: Inputs = None, batch: int = 1, mode: Mode = "eval", **size: Unpack[Size]
) -> Chart:
    """Return totals and layers of models on common scales; the first is what ratios refer to."""
    models = list(dict.fromkeys(str(each) if isinstance(each, Path) else each for each in what))
    comparison = compare(models, inputs, batch=batch, mode=mode) if models else None
    if comparison is None or len(comparison.summaries) < 2:
        raise UsageError("plot compare takes at least two models, such as alexnet vgg16")
    for caveat in comparison.caveats:
        _LOG.warning("%s", caveat)
    layers = _layers(comparison.summaries)
    return comparison_chart(layers, subject=_subject(batch, mode), notes=comparison.caveats, **size)


def aligned(
    what: Sequence[Model | Path], *, inputs: Inputs = None, batch: int = 1, mode: Mode = "eval", **size: Unpack[Size]
) -> Chart:
    """Return two models layer by layer, as `archbench.diff` aligns them."""
    if len(what) != 2:
        raise UsageError(f"plot diff takes exactly two models, got {len(what)}")
    a, b = what
    difference = diff(a, b, inputs, batch=batch, mode=mode)
    caveats = list(dict.fromkeys(difference.caveats))  # two variants of one model may share them
    for caveat in caveats:
        _LOG.warning("%s", caveat)
    layers = _layers((difference.a, difference.b))
    names = (layers[0].name, layers[1].name)
    return difference_chart(difference.rows, names=names, title=finding(layers), notes=caveats, **size)


def _layers(summaries: Sequence[Summary]) -> list[ModelLayers]:
    layers: dict[str, ModelLayers] = {}
    for summary in summaries:
        totals = summary.totals
        peak = totals.peak_training_bytes if summary.mode == "train" else totals.peak_inference_bytes
        name = unique_name(summary.model, layers)
        layers[name] = ModelLayers(name, summary.rows, peak)
    return list(layers.values())


def _subject(batch: int, mode: Mode) -> str:
    samples = "one sample" if batch == 1 else f"a batch of {batch}"
    peak = "a training step" if mode == "train" else "inference"
    return f"MACs are for the forward pass of {samples}; peak memory is that of {peak}."
