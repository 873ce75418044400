"""What makes the samples of a measurement doubtful, in words. None is left out for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archbench.statistics.samples import drift, modified_z_scores, relative_deviation

# The protocol's limits. The first is hyperfine's, whose score has no factor 0.6745: ten standard deviations.
OUTLIER_SCORE = 14.8
NOISE_LIMIT = 0.10


def drift_flags(samples: Sequence[float]) -> tuple[str, ...]:
    """Say by how much one half is slower than the other, if that is more than noise."""
    change = drift(samples) if min(samples) > 0 else None
    if change is None:
        return ()
    return (f"drift: the second half is {abs(change):.1%} {'slower' if change > 0 else 'faster'} than the first",)


def spread_flags(samples: Sequence[float]) -> tuple[str, ...]:
    """Say how many samples lie far outside, and how noisy all of them are, if that is too much."""
    if min(samples) <= 0:
        return ("clock: a block took no time",)
    flags = []
    outliers = int((modified_z_scores(samples) > OUTLIER_SCORE).sum())
    if outliers:
        flags.append(f"outliers: {outliers} of {len(samples)} samples")
    deviation = relative_deviation(samples)
    if deviation >= NOISE_LIMIT:
        flags.append(f"noise: the standard deviation is {deviation:.0%} of the mean")
    return tuple(flags)


def one_of_a_kind(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the first flag about each thing: what stands before its colon."""
    kinds: dict[str, str] = {}
    for flag in flags:
        kinds.setdefault(flag.partition(":")[0], flag)
    return tuple(kinds.values())
