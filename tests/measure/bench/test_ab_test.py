from __future__ import annotations

import numpy as np
import pytest

from archbench.errors import MeasurementError
from archbench.measure.bench.ab_test import ROUNDS, Round, compare_rounds


class FakeArm:
    """A process whose blocks take a time with a little noise; they are written down in `log`."""

    def __init__(self, name, time_s, log, seed=0):
        self._name, self._time_s, self._log = name, time_s, log
        self._random = np.random.default_rng(seed)

    def block_s(self):
        self._log.append(self._name)
        return self._time_s * (1 + 0.001 * self._random.normal())


def rounds(a_s, b_s, log):
    return [
        Round(*(FakeArm(name, time_s, log, seed=3 * number + place) for place, (name, time_s) in enumerate(arms)))
        for number in range(ROUNDS)
        for arms in [(("a", a_s), ("b", b_s), ("again", a_s))]
    ]


def test_blocks_take_turns_in_abba_order_and_then_a_against_itself():
    log = []
    compare_rounds(rounds(1.0, 1.0, log))
    for place, order in ((0, "abbaab"), (12, "baabba")):  # the first two rounds
        assert [name[0] for name in log[place : place + 6]] == list(order)
        assert log[place + 6 : place + 12] == ["a" if name == "a" else "again" for name in order]
    assert len(log) == ROUNDS * 12


def test_raw_samples_are_kept_and_compared():
    found = compare_rounds(rounds(1.0, 1.25, []))
    assert len(found.a_s) == len(found.b_s) == len(found.again_s) == 21
    assert found.comparison.verdict == "faster"
    assert found.comparison.ratio == pytest.approx(1.25, rel=0.01)
    assert found.comparison.floor < 0.01


def test_a_clock_that_stands_still_is_an_error():
    with pytest.raises(MeasurementError, match="took no time"):
        compare_rounds(rounds(0.0, 1.0, []))
