"""The chart of the ImageNet challenge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from archbench.api.history import history
from archbench.errors import UsageError
from archbench.reporting.charts.history import history_chart

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size


def imagenet_history(what: Sequence[Any], **size: Unpack[Size]) -> Chart:
    """Return errors and depths by year. Raises UsageError for a model, which has no effect."""
    if what:
        raise UsageError(f"plot history takes no model, got {len(what)}")
    return history_chart(history().rows, **size)
