"""Draw a chart of one kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archbench.errors import UsageError, choose
from archbench.models.loaded import Inputs, Model
from archbench.reporting.charts.catalogue import KINDS
from archbench.reporting.charts.save import require_libraries

if TYPE_CHECKING:
    from archbench.api.profile import Profile
    from archbench.reporting.charts.theme import Chart
    from archbench.reporting.training_run import TrainingRun

_LEAST_PIXELS, _MOST_PIXELS = 100, 10_000


def plot(
    kind: str,
    *what: Model | Path | TrainingRun | Profile,
    inputs: Inputs = None,
    batch: int | None = None,
    mode: str | None = None,
    dtype: str | None = None,
    optimizer: str | None = None,
    device: str | None = None,
    published: bool = False,
    source: str | None = None,
    store: str | Path | None = None,
    threshold: float | Sequence[float] | None = None,
    sweep: str | None = None,
    by: str | None = None,
    layer: str | Sequence[str] | None = None,
    width: int | None = None,
    height: int | None = None,
) -> Chart:
    """Return a chart, an `altair.Chart` that notebooks show and `chart.save` writes.

    Args:
        kind: `"layers"`, `"memory"`, `"roofline"`, `"sweep"`, `"compare"`, `"diff"`, `"modules"`, `"receptive-field"`,
            `"convolution"`, `"accuracy"`, `"rates"`, `"history"`, `"throughput"`, `"latency"`, `"profile"`,
            `"training"`, `"time"` or `"confusion"`.
        what: Models for the first nine kinds and `"rates"`, a training run or its folder for the last three, either for
            `"accuracy"`; for `"profile"` a model, which is measured now, or a `Profile`; nothing for `"history"`.
            Without it `"accuracy"`, `"throughput"` and `"latency"` show every model; `"accuracy"` with `published` also
            takes names of timm.
        inputs: As for `archbench.summarize`.
        batch: The number of samples, 1 by default; for `"latency"` any batch by default.
        mode: `"eval"` or `"train"`; `"eval"` by default, for measured kinds any.
        dtype: As for `archbench.memory`; `"fp32"` by default, for measured kinds any.
        optimizer: With mode `"train"`, as for `archbench.memory`; `"momentum"` by default.
        device: For `"roofline"` and time by module a device of `archbench.devices`; for measured kinds `"cpu"`,
            `"cuda"`, `"mps"` or the name of a device; for `"rates"` and with `published` a device as the published
            files name it, such as `"rtx4090"`.
        published: For `"accuracy"`: show imported accuracies and rates of timm, see `archbench.api.published`.
        source: For `"rates"` and with `published`: part of the name of the file that rates are taken from, where a
            device has several.
        store: Where results are stored; the user's own store by default.
        threshold: For `"time"`: an accuracy as a fraction, or several.
        sweep: For `"sweep"`: as for `archbench.compare`.
        by: For `"modules"`: `"params"` (the default), `"macs"`, `"memory"` (what a training step saves for its backward
            pass) or `"time"` (predicted, on `device`).
        layer: For `"receptive-field"`: the layer whose unit is followed back to the input, by default the last that
            slides a window; or the first and the last layer of a path. For `"convolution"`: a convolution or pooling,
            by default the first convolution.
        width: Pixels of the plot, without its axes.
        height: Pixels of the plot, without its axes.

    Raises UsageError if there is nothing to plot, or for an option that has no effect on the kind; and what
    `archbench.summarize` raises.

    >>> archbench.plot("memory", "vgg16", mode="train", batch=8)
    """
    choose("kind", kind, KINDS)
    require_libraries()
    options = {
        "inputs": inputs,
        "batch": batch,
        "mode": mode,
        "dtype": dtype,
        "optimizer": optimizer,
        "device": device,
        "published": published or None,
        "source": source,
        "store": store,
        "threshold": threshold,
        "sweep": sweep,
        "by": by,
        "layer": layer or None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    _require_effect(kind, given)
    return _functions()[kind](what, **given, **_size(width=width, height=height))


def _require_effect(kind: str, options: Mapping[str, Any]) -> None:
    """Raise UsageError for an option that has no effect on a kind of chart, with the kinds that use it."""
    for name in options:
        if name not in KINDS[kind].options:
            others = ", ".join(other.name for other in KINDS.values() if name in other.options)
            raise UsageError(f"{{{name}}} has no effect on plot {kind}; it is for {others}", **{name: ...})


def _size(**pixels: int | None) -> dict[str, int]:
    """Return the given sizes. Raises UsageError for a number of pixels that a chart cannot have."""
    given = {name: number for name, number in pixels.items() if number is not None}
    for name, number in given.items():
        if not _LEAST_PIXELS <= number <= _MOST_PIXELS:
            raise UsageError(f"{{{name}}} is out of range; give pixels from 100 to 10000", **{name: number})
    return given


def _functions() -> dict[str, Callable[..., Chart]]:
    """Return the function of each kind; their modules need altair, whose absence `plot` reports before."""
    from archbench.api import (
        plot_compared,
        plot_convolution,
        plot_history,
        plot_models,
        plot_modules,
        plot_profile,
        plot_rates,
        plot_receptive_field,
        plot_results,
        plot_runs,
        plot_sweep,
    )

    return {
        "layers": plot_models.layers,
        "memory": plot_models.memory,
        "roofline": plot_models.roofline,
        "sweep": plot_sweep.sweep,
        "compare": plot_compared.compared,
        "diff": plot_compared.aligned,
        "modules": plot_modules.modules,
        "receptive-field": plot_receptive_field.receptive_field,
        "convolution": plot_convolution.convolution,
        "accuracy": plot_runs.accuracy,
        "rates": plot_rates.rates,
        "history": plot_history.imagenet_history,
        "throughput": plot_results.throughput,
        "latency": plot_results.latency,
        "profile": plot_profile.profiled,
        "training": plot_runs.training,
        "time": plot_runs.time_to_accuracy,
        "confusion": plot_runs.confusion,
    }
