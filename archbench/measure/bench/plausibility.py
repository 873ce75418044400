"""What in a result cannot be: such a row is flagged, and not printed as fact."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from archbench.store.records import Result

# Winograd's F(2x2, 3x3) takes 16 multiplications for 36 (Lavin, Gray 2015), so that 3x3 convolutions of stride 1 may
# exceed the peak, for their FLOPs are counted as those of the direct algorithm.
WINOGRAD = 2.25
# Traffic that may stay in a cache says nothing of the memory's bandwidth; no cache of today's devices is much larger.
_CACHE_BYTES = 2**27
# Siblings of about the same size may come in either order, and so may times that are about the same.
_BIGGER = 1.1
_FASTER = 1.01


@dataclass(frozen=True, slots=True)
class Limits:
    """What the device can do at most, and what one step must at least do; None is not known.

    Peaks are those of the dtype of most products: what the device's maker states, and what was measured of it, which
    something else may have slowed. `least_bytes` is what a step moves at least, such as all its weights;
    `winograd_share` the part of its FLOPs that are 3x3 convolutions of stride 1.
    """

    peak_flop_per_s: float | None = None
    measured_flop_per_s: float | None = None
    bandwidth_bytes_per_s: float | None = None
    least_bytes: int = 0
    winograd_share: float = 0.0

    @property
    def most_flop_per_s(self) -> float | None:
        """The peak in FLOPs of the direct algorithm, if Winograd's were used wherever it can be."""
        return None if self.peak_flop_per_s is None else self.peak_flop_per_s * self.winograd_gain

    @property
    def winograd_gain(self) -> float:
        """How many FLOPs of the direct algorithm are done in the time of one, if Winograd's is used where it can be."""
        return 1 / (1 - self.winograd_share + self.winograd_share / WINOGRAD)


def plausibility(result: Result, limits: Limits, siblings: Sequence[Result] = ()) -> tuple[str, ...]:
    """Return why a result is implausible, nothing if it is not.

    Siblings are results of the same family; those of another configuration than the result's, model apart, are passed
    over.
    """
    return (*_clock(result), *_ceilings(result, limits), *_latency(result), *_order(result, siblings))


def remarks(result: Result, limits: Limits) -> tuple[str, ...]:
    """Return what must be said of a result that is surprising, but plausible."""
    rate, peak, measured = result.flop_per_s, limits.peak_flop_per_s, limits.measured_flop_per_s
    by_winograd = "as 3x3 convolutions by Winograd's algorithm can reach"
    if rate is not None and peak is not None and peak < rate <= peak * limits.winograd_gain:
        return (f"peak: {rate / peak:.2f} times the hardware's, {by_winograd}",)
    if rate is None or measured is None or rate <= measured:
        return ()
    times = f"peak: {rate / measured:.2f} times what was measured of this machine"
    if rate <= measured * limits.winograd_gain:
        return (f"{times}, {by_winograd}",)
    return (f"{times}; 'archbench devices --measure' measures it anew",)


def _clock(result: Result) -> Iterator[str]:
    if min((*result.samples_s, *result.latencies_s), default=1.0) <= 0:
        yield "clock: a step took no time"


def _ceilings(result: Result, limits: Limits) -> Iterator[str]:
    rate, most = result.flop_per_s, limits.most_flop_per_s
    if rate is not None and most is not None and rate > most:
        allowed = ", Winograd's algorithm allowed for" if limits.winograd_share else ""
        yield f"peak: {rate / most:.2f} times what the hardware can do{allowed}"
    bandwidth = limits.bandwidth_bytes_per_s
    if bandwidth is None or limits.least_bytes <= _CACHE_BYTES or not result.images_per_s:
        return
    moved_per_s = limits.least_bytes * result.images_per_s / result.configuration.batch
    if moved_per_s > bandwidth:
        yield f"bandwidth: {moved_per_s / bandwidth:.2f} times what the memory can do"


def _latency(result: Result) -> Iterator[str]:
    if result.latency_s_p99 is None or not result.latencies_s:
        return
    if statistics.fmean(result.latencies_s) > result.latency_s_p99:
        yield "latency: the mean is above the 99th percentile"


def _order(result: Result, siblings: Sequence[Result]) -> Iterator[str]:
    for other in siblings:
        if not _is_comparable(result, other):
            continue
        if _is_bigger_and_faster(result, other):
            yield f"order: faster than {other.configuration.model}, which is smaller"
        if _is_bigger_and_faster(other, result):
            yield f"order: slower than {other.configuration.model}, which is bigger"


def _is_comparable(result: Result, other: Result) -> bool:
    """Say whether two results differ in the model only, so that the order of their rates is that of their sizes."""
    same = replace(other.configuration, model=result.configuration.model)
    return other.status == "ok" and other.machine == result.machine and same == result.configuration


def _is_bigger_and_faster(one: Result, other: Result) -> bool:
    """Say whether one does more FLOPs an image, and more images a second than the intervals explain."""
    sizes = _flops_per_image(one), _flops_per_image(other)
    if sizes[0] is None or sizes[1] is None or one.images_per_s_low is None or other.images_per_s_high is None:
        return False
    return sizes[0] > _BIGGER * sizes[1] and one.images_per_s_low > _FASTER * other.images_per_s_high


def _flops_per_image(result: Result) -> float | None:
    if result.flop_per_s is None or not result.images_per_s:
        return None
    return result.flop_per_s / result.images_per_s
