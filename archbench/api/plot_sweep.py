"""The chart of a sweep: MACs of models against sizes, lengths or arguments."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from archbench.api.compare import Comparison, compare
from archbench.errors import UsageError
from archbench.models.loaded import Inputs, Model
from archbench.reporting.charts.sweep import Series, sweep_chart
from archbench.trace.tracer import Mode

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size

_LOG = logging.getLogger("archbench")


def sweep(
    what: Sequence[Model | Path],
    *,
    sweep: str | None = None,
    inputs: Inputs = None,
    batch: int = 1,
    mode: Mode = "eval",
    **size: Unpack[Size],
) -> Chart:
    """Return the MACs of models against a swept value, in training those of both passes."""
    if not what:
        raise UsageError("plot sweep takes at least one model, such as torchvision:vgg16")
    if sweep is None:
        raise UsageError("plot sweep requires {sweep}, such as size=64..512 or length=128..8192", sweep=...)
    models = [str(each) if isinstance(each, Path) else each for each in what]
    comparison = compare(list(dict.fromkeys(models)), inputs, batch=batch, mode=mode, sweep=sweep)
    assert comparison.sweep is not None, "compared with a sweep"
    for caveat in comparison.caveats:
        _LOG.warning("%s", caveat)
    subject = f"MACs of {'forward and backward' if mode == 'train' else 'the forward'} pass, batch {batch}"
    series = _series(comparison, "training_macs" if mode == "train" else "macs")
    return sweep_chart(series, name=comparison.sweep.name, subject=subject, notes=comparison.caveats, **size)


def _series(comparison: Comparison, total: str) -> list[Series]:
    """Return the counts of each model by swept value."""
    assert comparison.sweep is not None, "compared with a sweep"
    counts: dict[str, dict[int, int]] = {}
    for summary, value in zip(comparison.summaries, comparison.sweep.values, strict=True):
        counts.setdefault(summary.model, {})[value] = getattr(summary.totals, total)
    return [Series(model, macs, comparison.sweep.growth[model].get(total)) for model, macs in counts.items()]
