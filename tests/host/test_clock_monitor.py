from __future__ import annotations

import pytest

from archbench.host.clock_monitor import ClockMonitor, clock_record, throttle_flags
from archbench.host.nvml import Reading


class FakeCard:
    """A card that gets one degree warmer with every reading."""

    def __init__(self):
        self.num_readings = 0

    def read(self):
        self.num_readings += 1
        return Reading(1980e6, 700.0, 60.0 + self.num_readings, 0)

    def energy_j(self):
        return None


def throttled(*reasons):
    return [Reading(1e9, None, None, one) for one in reasons]


def test_a_gpu_is_read_until_the_block_ends():
    card = FakeCard()
    # The third time that it is waited for, it is over.
    waits = iter([False, False, True])
    with ClockMonitor(card, wait=lambda _: next(waits)) as sampler:
        pass
    assert [reading.temperature_c for reading in sampler.readings] == [61.0, 62.0, 63.0]


def test_the_monitor_ends_with_its_block():
    card = FakeCard()
    with ClockMonitor(card) as sampler:
        pass
    # The first reading is taken before it is waited for the first time.
    assert 1 <= len(sampler.readings) == card.num_readings


def test_without_a_gpu_nothing_is_read():
    with ClockMonitor(None) as sampler:
        pass
    assert sampler.readings == []


def test_median_minimum_and_maximum_are_recorded():
    readings = [Reading(clock, power, None, 0) for clock, power in ((1.9e9, 600.0), (1.5e9, None), (1.7e9, 700.0))]
    assert clock_record(readings) == {
        "clock_hz": {"median": 1.7e9, "low": 1.5e9, "high": 1.9e9},
        "power_w": {"median": 650.0, "low": 600.0, "high": 700.0},
    }
    assert clock_record([]) == {}


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        # nvml.h: 0x4 is the power cap in software, 0x8 a slowdown in hardware, 0x20 and 0x40 heat, 0x80 a power brake.
        ((0x4, 0x4, 0x0, 0x0), ("throttled: power cap in 2 of 4 readings",)),
        ((0x20, 0x40, 0x0), ("throttled: thermal in 2 of 3 readings",)),
        ((0x8,), ("throttled: hardware slowdown in 1 of 1 readings",)),
        ((0x80,), ("throttled: hardware slowdown in 1 of 1 readings",)),
        (
            (0x44, 0x4),
            ("throttled: thermal in 1 of 2 readings, power cap in 2 of 2 readings",),
        ),
        # Idle, and clocks that somebody has set.
        ((0x1, 0x2, 0x10, 0x100), ()),
        ((None, None), ()),
        ((), ()),
    ],
)
def test_the_causes_of_throttling_are_named(reasons, said):
    assert throttle_flags(throttled(*reasons)) == said
