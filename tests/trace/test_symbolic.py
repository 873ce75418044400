from __future__ import annotations

import pickle
from fractions import Fraction

import pytest

from archbench.trace.costs import count
from archbench.trace.costs.symbolic import evaluate


@pytest.mark.parametrize(
    ("formula", "values", "result"),
    [
        ("({k} − 1)·{o}", {"k": (3, 3), "o": (2, 5)}, 80),  # (9 − 1)·10
        ("⌊({n} − {k})/{s}⌋ + 1", {"n": 227, "k": 11, "s": 4}, 55),  # 216/4 + 1
        ("⌈{n}/{s}⌉", {"n": 7, "s": 2}, 4),
        ("⌊{n}/{s}⌋", {"n": -7, "s": 2}, -4),
        ("{a} + ({k} − 1)/2", {"a": Fraction(1, 2), "k": 4}, 2),
        ("{n}/{s}", {"n": 2**62 + 1, "s": 2}, Fraction(2**62 + 1, 2)),  # a float would lose the 1
        ("{o}", {"o": ()}, 1),  # a scalar is one element
    ],
)
def test_a_formula_is_evaluated_exactly(formula, values, result):
    assert evaluate(formula, values) == result


def test_a_count_is_an_integer_that_keeps_its_formula():
    found = count("{o}·{n}", o=(2, 3), n=4)
    assert (found, found.formula, found.values) == (24, "{o}·{n}", {"o": (2, 3), "n": 4})
    assert type(found + 0) is type(sum([found, found])) is int
    again = pickle.loads(pickle.dumps(found))
    assert (again, again.formula) == (24, "{o}·{n}")
