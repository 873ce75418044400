"""When each model of a training run first reached an accuracy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archbench.training.records import Epoch

_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
_LOW_THRESHOLDS = (0.1, 0.2, 0.3, 0.4)
# Share of the way from chance to 100%: a threshold nearer to chance would show no learning.
_LEFT_CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Reached:
    """When a model's validation accuracy first was at a threshold: mean and range over the seeds that reached it."""

    model: str
    threshold: float
    time_s: float
    low_s: float
    high_s: float
    reached_seeds: int
    seeds: int


def times_to(epochs: Sequence[Epoch], threshold: float) -> list[Reached]:
    """Return when each model reached a validation accuracy; a model of which no seed did is left out.

    A seed's time is the end of its first epoch with at least this accuracy.
    """
    first_times: dict[tuple[str, int], float | None] = {}
    for epoch in sorted(epochs, key=lambda epoch: epoch.step):
        first = first_times.setdefault((epoch.model, epoch.seed), None)
        if first is None and epoch.validation_top1 >= threshold:
            first_times[epoch.model, epoch.seed] = epoch.elapsed_s
    times: defaultdict[str, list[float | None]] = defaultdict(list)
    for (model, _), time in first_times.items():
        times[model].append(time)
    reached = []
    for model, of_seeds in times.items():
        known = [time for time in of_seeds if time is not None]
        if known:
            reached.append(Reached(model, threshold, fmean(known), min(known), max(known), len(known), len(of_seeds)))
    return reached


def default_thresholds(epochs: Sequence[Epoch], chance: float) -> tuple[float, ...]:
    """Return the highest of the usual thresholds that most models reached; empty if no model left chance behind.

    The usual ones are 50, 60, 70, 80, 90, 95, 98 and 99%; where no model reached 50%, one of 10, 20, 30 and 40%.
    """
    least = chance + _LEFT_CHANCE * (1 - chance)
    for thresholds in (_THRESHOLDS, _LOW_THRESHOLDS):
        counts = {level: len(times_to(epochs, level)) for level in thresholds if level >= least}
        best = max(counts, key=lambda level: (counts[level], level), default=None)
        if best is not None and counts[best]:
            return (best,)
    return ()
