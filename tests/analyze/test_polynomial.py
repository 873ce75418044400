from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbench.analyze.polynomial import SPARE_POINTS, Polynomial, fit

coefficients = st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=5).filter(
    lambda each: each[-1] != 0 or len(each) == 1
)
places = st.lists(st.integers(1, 10**5), min_size=7, max_size=10, unique=True)


@given(coefficients, places)
def test_integer_polynomials_are_recovered_from_any_places(coefficients, places):
    points = {x: sum(each * x**degree for degree, each in enumerate(coefficients)) for x in places}
    fitted = fit(points)
    assert fitted is not None
    assert fitted.coefficients == tuple(map(Fraction, coefficients))


@given(coefficients, places, st.integers(0, 6), st.integers(1, 10**9))
def test_a_polynomial_with_one_wrong_point_is_refused(coefficients, places, wrong, by):
    """Of degree 4 at most: with one of n >= 7 values wrong, only a polynomial of degree n - 1 or so meets them all."""
    points = {x: sum(each * x**degree for degree, each in enumerate(coefficients)) for x in places}
    points[places[wrong]] += by
    # The difference to the right polynomial has n - 1 zeros, so that its degree is n - 1 and no points are to spare.
    assert fit(points) is None


def test_values_of_an_integer_polynomial_on_even_places_have_fractional_coefficients():
    # x (x + 2) / 4 is whole for even x.
    fitted = fit({x: x * (x + 2) // 4 for x in (2, 4, 6, 8, 10)})
    assert fitted == Polynomial((Fraction(0), Fraction(1, 2), Fraction(1, 4)))
    assert fitted(12) == 42


@pytest.mark.parametrize("function", [lambda x: 2**x, lambda x: x.bit_length(), lambda x: x * x // 3])
def test_what_is_not_a_polynomial_is_refused(function):
    assert fit({x: function(x) for x in range(1, 9)}) is None


def test_too_few_points_determine_nothing():
    line = {1: 5, 2: 7, 3: 9}
    assert fit(line) is None
    assert fit({**line, 4: 11}) == Polynomial((Fraction(3), Fraction(2)))
    assert fit({1: 5, 2: 5}) is None
    assert SPARE_POINTS == 2
    assert fit({1: 5, 2: 5, 3: 5}) == Polynomial((Fraction(5),))
    assert fit({}) is None


def test_zero_is_a_polynomial():
    assert fit({1: 0, 2: 0, 3: 0}) == Polynomial((Fraction(0),))


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(1, 100))
def test_the_leading_term_leads_from_the_smallest_such_number(constant, linear, leading):
    polynomial = Polynomial((Fraction(constant), Fraction(linear), Fraction(leading)))
    value = polynomial.leads_from()
    assert value is not None
    assert leading * value**2 > linear * value + constant
    assert value == 1 or leading * (value - 1) ** 2 <= linear * (value - 1) + constant


def test_a_constant_has_no_leading_term():
    assert Polynomial((Fraction(3),)).leads_from() is None
    assert Polynomial((Fraction(3), Fraction(-1))).leads_from() is None
