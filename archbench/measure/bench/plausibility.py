"""Checks that a result is possible: an implausible one is flagged and its rate not printed as fact."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace

from archbench.measure.bench.expectation import Expectation
from archbench.store.records import Result
from archbench.units import format_measure

# Winograd's F(2x2, 3x3) takes 16 multiplications instead of 36 (Lavin, Gray 2015). FLOPs are counted as those of the
# direct algorithm, so 3x3 convolutions of stride 1 may exceed the peak.
WINOGRAD = 2.25
# Traffic below this may be served from a cache, so it gives no bound on the memory's bandwidth.
_CACHE_BYTES = 2**27
# Models of about the same size may come in either order, as may rates that are about the same.
_BIGGER = 1.1
_FASTER = 1.01
_MEASURE_AGAIN = "'archbench devices --measure' measures it again"


def implausible(result: Result, expectation: Expectation, siblings: Sequence[Result] = ()) -> tuple[str, ...]:
    """Return why a result is implausible; empty if it is plausible.

    The limits are the manufacturer's. Siblings are results of models of the same family; only those whose configuration
    differs in nothing but the model are compared.
    """
    return (*_clock(result), *_peak(result, expectation), *_bandwidth(result, expectation), *_latency(result),
            *_order(result, siblings))  # fmt: skip


def surprising(result: Result, expectation: Expectation) -> tuple[str, ...]:
    """Return flags of a plausible result that exceeds a peak: by Winograd's algorithm, or a ceiling measured here."""
    return (*_above_peak(result, expectation), *_above_measured_bandwidth(result, expectation))


def winograd_gain(share: float) -> float:
    """Return the factor by which a step with that share of 3x3 convolutions of stride 1 may exceed the peak."""
    return 1 / (1 - share + share / WINOGRAD)


def _clock(result: Result) -> Iterator[str]:
    if min((*result.samples_s, *result.latencies_s), default=1.0) <= 0:
        yield "clock: a step took no time"


def _peak(result: Result, expectation: Expectation) -> Iterator[str]:
    rate, published = result.flop_per_s, expectation.published_flop_per_s
    if rate is None or published is None:
        return
    limit = published * winograd_gain(expectation.winograd_share)
    if rate > limit:
        allowed = ", Winograd's algorithm allowed for" if expectation.winograd_share else ""
        yield f"peak: {format_measure(rate / limit)} times what the hardware can do{allowed}"


def _above_peak(result: Result, expectation: Expectation) -> Iterator[str]:
    rate, published, measured = result.flop_per_s, expectation.published_flop_per_s, expectation.peak_flop_per_s
    gain = winograd_gain(expectation.winograd_share)
    by_winograd = "as 3x3 convolutions by Winograd's algorithm can reach"
    if rate is None:
        return
    if published is not None and published < rate <= published * gain:
        yield f"peak: {format_measure(rate / published)} times the hardware's, {by_winograd}"
    elif measured is not None and rate > measured:
        times = f"peak: {format_measure(rate / measured)} times what was measured of this machine"
        yield f"{times}, {by_winograd}" if rate <= measured * gain else f"{times}; {_MEASURE_AGAIN}"


def _bandwidth(result: Result, expectation: Expectation) -> Iterator[str]:
    rate, limit = _least_bytes_per_s(result, expectation), expectation.published_bytes_per_s
    if rate is not None and limit is not None and rate > limit:
        yield f"bandwidth: {format_measure(rate / limit)} times what the memory can do"


def _above_measured_bandwidth(result: Result, expectation: Expectation) -> Iterator[str]:
    rate, measured = _least_bytes_per_s(result, expectation), expectation.bandwidth_bytes_per_s
    if rate is not None and measured is not None and rate > measured:
        times = format_measure(rate / measured)
        yield f"bandwidth: {times} times what was measured of this machine; {_MEASURE_AGAIN}"


def _least_bytes_per_s(result: Result, expectation: Expectation) -> float | None:
    """Return the least traffic in bytes per second, None if it is unknown or may stay in a cache."""
    if expectation.least_bytes <= _CACHE_BYTES or not result.images_per_s:
        return None
    return expectation.least_bytes * result.images_per_s / result.configuration.batch


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
    """Return whether two results differ only in the model, so that rates should be in the order of sizes."""
    same = replace(other.configuration, model=result.configuration.model)
    return other.status == "ok" and other.machine == result.machine and same == result.configuration


def _is_bigger_and_faster(a: Result, b: Result) -> bool:
    """Return whether A has more FLOPs per image than B, and more images per second beyond the intervals."""
    a_flops, b_flops = _flops_per_image(a), _flops_per_image(b)
    if a_flops is None or b_flops is None or a.images_per_s_low is None or b.images_per_s_high is None:
        return False
    return a_flops > _BIGGER * b_flops and a.images_per_s_low > _FASTER * b.images_per_s_high


def _flops_per_image(result: Result) -> float | None:
    if result.flop_per_s is None or not result.images_per_s:
        return None
    return result.flop_per_s / result.images_per_s
