"""Exact polynomials through counted integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

# Points that a polynomial has to meet besides those that determine its coefficients.
SPARE_POINTS = 2


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A polynomial in one variable; its `coefficients` begin with the constant, and end with one that is not 0."""

    coefficients: tuple[Fraction, ...]

    @property
    def degree(self) -> int:
        """The largest exponent, 0 for a constant."""
        return len(self.coefficients) - 1

    def __call__(self, x: int) -> Fraction:
        """Return the value at `x`."""
        value = Fraction(0)
        for coefficient in reversed(self.coefficients):
            value = value * x + coefficient
        return value

    def leads_from(self) -> int | None:
        """Return the smallest whole number from which on the leading term is larger than the sum of all others.

        None for a constant, or for a leading coefficient that is not positive.
        """
        leading = self.coefficients[-1]
        if self.degree == 0 or leading <= 0:
            return None
        # A leading term that exceeds the sum of the positive lower terms at x does so at every larger x.
        others = Polynomial(tuple(max(each, Fraction(0)) for each in self.coefficients[:-1]))
        high = 1
        while leading * high**self.degree <= others(high):
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            if leading * middle**self.degree > others(middle):
                high = middle
            else:
                low = middle
        return high


def fit(points: Mapping[int, int]) -> Polynomial | None:
    """Return the polynomial through all points, by Newton's divided differences in rational arithmetic.

    None unless there are at least `SPARE_POINTS` points more than coefficients: some polynomial meets any few points.
    """
    places = sorted(points)
    divided = [Fraction(points[x]) for x in places]
    coefficients: list[Fraction] = []
    basis = [Fraction(1)]  # the product of (x - x_i) over the places so far, its constant first
    for order, place in enumerate(places):
        coefficients = _sum(coefficients, [divided[0] * each for each in basis])
        basis = _sum([Fraction(0), *basis], [-place * each for each in basis])
        gaps = zip(places, places[order + 1 :], strict=False)
        divided = [(b - a) / (last - first) for (a, b), (first, last) in zip(pairwise(divided), gaps, strict=True)]
    while len(coefficients) > 1 and not coefficients[-1]:
        coefficients.pop()
    if not coefficients or len(coefficients) + SPARE_POINTS > len(places):
        return None
    return Polynomial(tuple(coefficients))


def _sum(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    """Return the sum of two polynomials."""
    short, long = sorted((a, b), key=len)
    return [*(x + y for x, y in zip(short, long, strict=False)), *long[len(short) :]]
