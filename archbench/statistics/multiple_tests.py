"""Correction for several tests at once by Holm's method (1979), which rejects at least what Bonferroni's does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archbench.statistics.quantiles import CONFIDENCE


@dataclass(frozen=True, slots=True)
class Corrected:
    """A test among several: its corrected p-value, and the confidence of an interval that agrees with it.

    The interval excludes no difference exactly where the corrected p-value is below 5%.
    """

    p_value: float
    confidence: float


def holm(p_values: Sequence[float]) -> list[Corrected]:
    """Return the corrected tests in the order of their p-values, which together are wrong in at most 5% of cases.

    The smallest p-value is multiplied by the number of tests, the next by one less, and so on, up to the first that is
    not significant.
    """
    count, error = len(p_values), 1 - CONFIDENCE
    corrected: dict[int, Corrected] = {}
    largest, remaining = 0.0, count
    for place in sorted(range(count), key=lambda each: p_values[each]):
        largest = max(largest, min(1.0, (count - len(corrected)) * p_values[place]))
        if largest < error:
            remaining = count - len(corrected)
        elif not corrected or next(reversed(corrected.values())).p_value < error:
            remaining = count - len(corrected)  # the first that is not significant decides for all after it
        corrected[place] = Corrected(largest, 1 - error / remaining)
    return [corrected[place] for place in range(count)]
