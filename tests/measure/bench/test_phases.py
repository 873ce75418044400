from __future__ import annotations

import pytest

from archbench.measure.bench.phases import PHASES, phase_medians_s

DURATIONS = {"zero_grad": 0.001, "forward": 0.01, "loss": 0.002, "backward": 0.02, "step": 0.003}


class Device:
    """A clock that only steps move; the first step takes ten times as long."""

    def __init__(self):
        self.now_s = 5.0
        self.num_steps = 0
        self.num_waits = 0

    def clock_s(self):
        return self.now_s

    def wait(self):
        self.num_waits += 1

    def run(self, after):
        self.num_steps += 1
        for phase in PHASES:
            self.now_s += DURATIONS[phase] * (10 if self.num_steps == 1 else 1)
            after(phase)


def medians(most_s):
    device = Device()
    return device, phase_medians_s(device.run, device.wait, most_s, device.clock_s)


def test_each_phase_has_its_median_and_the_first_step_is_left_out():
    _, found = medians(most_s=1.0)
    assert list(found) == list(PHASES)
    assert found == pytest.approx(DURATIONS)


def test_the_device_is_waited_for_before_a_step_and_after_each_phase():
    device, _ = medians(most_s=1.0)
    assert device.num_waits == 6 * device.num_steps


def test_slow_steps_are_run_six_times_and_fast_ones_not_without_end():
    assert medians(most_s=0.0)[0].num_steps == 6
    # A step takes 36 ms: 360 ms of the first and 17.8 more are a second.
    assert medians(most_s=1.0)[0].num_steps == 19
    assert medians(most_s=1e6)[0].num_steps == 201
