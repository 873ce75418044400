"""How a model's totals grow with a swept value: polynomials that meet every counted total exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd

from archbench.analyze.layers import Totals
from archbench.analyze.polynomial import Polynomial, fit

QUANTITIES = (
    "params", "macs", "flops", "neurons", "param_bytes", "training_macs", "peak_inference_bytes", "peak_training_bytes",
)  # fmt: skip
# Enough points for degree 4 with two to spare; where some sizes fail, others are tried up to this many.
_POINTS, _TRIES = 7, 12
# Strides of most convolutional networks multiply to 32: between its multiples, sizes of feature maps are rounded.
_TOTAL_STRIDE = 32
# Steps between values that are tried where a polynomial was met at coarser ones.
_FINER_STEPS = (1, 2, 4, 8, 16, _TOTAL_STRIDE)


@dataclass(frozen=True, slots=True)
class Growth:
    """A total as a polynomial in the swept value, exact at values that leave the remainder `start` by `step`."""

    polynomial: Polynomial
    start: int
    step: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was swept: `values` has the swept value of each row, `growth` the polynomials by model and total.

    A total that is not a polynomial has no entry. `left_out` says which values a model does not run with, and why.
    """

    name: str
    values: tuple[int, ...]
    growth: Mapping[str, Mapping[str, Growth]]
    left_out: tuple[str, ...] = ()


def growth_of(count: Callable[[int], Totals | None], values: Sequence[int]) -> dict[str, Growth]:
    """Return the totals that are polynomials in the swept value.

    `count` returns the totals at a value, None where the model does not run; values other than the given ones are
    counted to confirm a polynomial. One that misses values between them is tried at the multiples of 32 alone.
    """
    cached = cache(count)
    growth: dict[str, Growth] = {}
    for start, step, chosen in _progressions(sorted(set(values))):
        points = _points(cached, start, step, chosen)
        missing = [name for name in QUANTITIES if name not in growth]
        for name in missing:
            polynomial = fit(_of(name, points))
            if polynomial is not None:
                held_step = _finest(polynomial, name, cached, chosen, step)
                growth[name] = Growth(polynomial, start % held_step, held_step)
    return growth


def _progressions(values: Sequence[int]) -> Iterator[tuple[int, int, Sequence[int]]]:
    """Yield the coarsest arithmetic progression through all values, then one through those divisible by 32."""
    aligned = [value for value in values if value % _TOTAL_STRIDE == 0]
    for chosen in dict.fromkeys((tuple(values), tuple(aligned))):
        if len(chosen) > 1:
            yield chosen[0], gcd(*(value - chosen[0] for value in chosen)), chosen


def _points(count: Callable[[int], Totals | None], start: int, step: int, values: Sequence[int]) -> dict[int, Totals]:
    """Return the totals at the values, and at others of the progression where these are too few for a fit."""
    points = {value: totals for value in values if (totals := count(value)) is not None}
    others = (value for value in range(start, start + _TRIES * step, step) if value not in points)
    for value in others:
        if len(points) >= _POINTS:
            break
        totals = count(value)
        if totals is not None:
            points[value] = totals
    return points


def _of(name: str, points: Mapping[int, Totals]) -> dict[int, int]:
    return {value: total for value, totals in points.items() if (total := getattr(totals, name)) is not None}


def _finest(
    polynomial: Polynomial, name: str, count: Callable[[int], Totals | None], values: Sequence[int], step: int
) -> int:
    """Return the finest step for which the polynomial also holds at two values between those of its progression."""
    for finer in _FINER_STEPS:
        between = (values[0] + finer, values[-1] - finer)
        if step % finer == 0 and all(_holds(polynomial, name, count(value), value) for value in between):
            return finer
    return step


def _holds(polynomial: Polynomial, name: str, totals: Totals | None, value: int) -> bool:
    return totals is not None and getattr(totals, name) == polynomial(value)
