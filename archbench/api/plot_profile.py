"""The chart of a profile: a step as a timeline, and measured rates under the roofline."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from archbench.api.profile import Profile, profile
from archbench.errors import UsageError
from archbench.models.address import find
from archbench.reporting.charts.model_names import model_title
from archbench.reporting.charts.profile import profile_chart
from archbench.reporting.tables.wording import several
from archbench.units import format_time

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size

_LOG = logging.getLogger("archbench")
_SIZES = ("width", "height")


def profiled(what: Sequence[Any], **options: Any) -> Chart:
    """Return the timeline of a profile, which is measured now where a model is given."""
    if len(what) != 1:
        raise UsageError(f"plot profile takes exactly one model or profile, got {len(what)}")
    size = {name: options.pop(name) for name in _SIZES if name in options}
    (subject,) = what
    if isinstance(subject, Profile):
        if options:
            name, value = next(iter(options.items()))
            raise UsageError(f"{{{name}}} has no effect on a profile that is measured", **{name: value})
        return _chart(subject, **size)
    return _chart(profile(str(subject) if isinstance(subject, Path) else subject, **options), **size)


def _chart(measured: Profile, **size: Unpack[Size]) -> Chart:
    model, config = measured.profiled, measured.profiled.configuration
    table = measured.to_table()
    notes = [*table.doubts, *table.caveats]
    for note in notes:
        _LOG.warning("%s", note)
    conditions = model.conditions
    if conditions is None:
        notes.append("No roofline: 'archbench devices --measure' measures this device.")
    step = (
        f"{format_time(model.profile.step_s)} a step under the profiler, {format_time(model.profile.plain_s)} without"
    )
    how = f"{config.mode}, batch {config.batch}, {config.dtype}, {config.layout}"
    return profile_chart(
        measured.rows,
        None if conditions is None else (conditions.device, conditions.precision.product_dtype),
        title=model_title(model.name, find(model.name).card),
        subject=f"Measured on {config.device}, {how}: {step}, median of {several(model.profile.steps, 'step')}.",
        notes=notes,
        **size,
    )
