"""Warnings about sample quality: drift, outliers and noise. Samples are never dropped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archbench.statistics.samples import drift, lag_1_correlation, modified_z_scores, relative_deviation
from archbench.units import format_percent

# hyperfine's limit for a score without the factor 0.6745: ten standard deviations.
OUTLIER_SCORE = 14.8
NOISE_LIMIT = 0.10
# Independent samples seldom have a larger one: 2% of series of 30 do.
_CORRELATION_LIMIT = 0.3
_LEAST_FOR_CORRELATION = 30


def drift_flags(samples: Sequence[float]) -> tuple[str, ...]:
    """Return a flag if one half of the samples is slower than the other beyond the noise."""
    change = drift(samples) if min(samples) > 0 else None
    if change is None:
        return ()
    direction = "slower" if change > 0 else "faster"
    return (f"drift: the second half is {format_percent(abs(change))} {direction} than the first",)


def spread_flags(samples: Sequence[float]) -> tuple[str, ...]:
    """Return flags for outliers and for noise above 10%."""
    if min(samples) <= 0:
        return ("clock: a block took no time",)
    flags = []
    outliers = int((modified_z_scores(samples) > OUTLIER_SCORE).sum())
    if outliers:
        flags.append(f"outliers: {outliers} of {len(samples)} samples")
    deviation = relative_deviation(samples)
    if deviation >= NOISE_LIMIT:
        flags.append(f"noise: the standard deviation is {format_percent(deviation)} of the mean")
    return tuple(flags)


def correlation_flags(samples: Sequence[float]) -> tuple[str, ...]:
    """Return a flag if successive samples resemble each other, so that their median is less certain than it seems."""
    correlation = lag_1_correlation(samples)
    if len(samples) < _LEAST_FOR_CORRELATION or correlation <= _CORRELATION_LIMIT:
        return ()
    return (f"correlation: successive samples resemble each other ({correlation:.2f}); the interval is wider for it",)


def unique_flags(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the first flag of each topic, which is the text before the colon."""
    by_topic: dict[str, str] = {}
    for flag in flags:
        by_topic.setdefault(flag.partition(":")[0], flag)
    return tuple(by_topic.values())
