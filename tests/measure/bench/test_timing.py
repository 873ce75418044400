from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archbench.measure.bench.timing import CPU, GPU, combine, time_steps
from tests.helpers.scripted_timing import Script


def about(flags: tuple[str, ...]) -> set[str]:
    return {flag.partition(":")[0] for flag in flags}


def test_a_constant_time_is_known_after_the_least_time():
    subject = Script(step_s=0.01)
    measured = time_steps(subject, GPU)
    # 50 ms and a tenth: 6 steps of 10 ms are a block of 60 ms, and 50 of them are 3 s.
    assert (measured.status, measured.steps_per_block, len(measured.samples_s)) == ("ok", 6, 50)
    assert measured.median_s == measured.low_s == measured.high_s == pytest.approx(0.01)
    assert measured.flags == ()


def test_a_slow_step_is_timed_for_the_least_number_of_blocks():
    measured = time_steps(Script(step_s=0.5), GPU)
    assert (measured.status, measured.steps_per_block, len(measured.samples_s)) == ("ok", 1, 30)


def test_a_step_too_slow_for_thirty_blocks_a_minute_is_not_converged():
    measured = time_steps(Script(step_s=7.0), GPU)
    # The ninth block ends after 63 s.
    assert (measured.status, len(measured.samples_s)) == ("not_converged", 9)


def test_the_warm_up_lasts_ten_steps_and_two_seconds_and_forty_blocks():
    measured = time_steps(Script(step_s=0.3), GPU)
    assert measured.warm_up_steps == 40
    assert measured.warm_up_s == pytest.approx(12.0)

    # Without the forty, ten steps of 0.5 s are what is left, and 34 of 60 ms make the two seconds.
    unsettled = replace(GPU, settled_samples=0)
    assert time_steps(Script(step_s=0.5), unsettled).warm_up_steps == 10
    assert time_steps(Script(step_s=0.06), unsettled).warm_up_steps == 34


@pytest.mark.parametrize(("step_s", "steps"), [(0.06, 1), (0.02, 3), (1e-3, 55), (1e-5, 5500)])
def test_fast_steps_make_large_blocks(step_s, steps):
    subject = Script(step_s)
    measured = time_steps(subject, GPU)
    # 1.1 times 50 ms, rounded up to whole steps. The step's time is found by a division, so one more may come out.
    assert steps <= measured.steps_per_block <= steps + 1
    assert measured.steps_per_block * step_s >= GPU.block_s
    # No block dares more than ten times the steps of the one before.
    assert all(after <= 10 * before for before, after in zip(subject.blocks, subject.blocks[1:], strict=False))


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_the_size_of_a_block_is_that_of_warm_steps(factor):
    measured = time_steps(Script(step_s=0.01, shape=lambda elapsed_s: factor if elapsed_s < 1 else 1.0), GPU)
    assert measured.steps_per_block == 6


def test_the_median_is_within_its_interval():
    runs = [time_steps(Script(step_s=0.01, noise=0.01, seed=seed), GPU) for seed in range(200)]
    assert all(run.status == "ok" for run in runs)
    assert all(run.high_s - run.low_s <= 2 * 0.005 * run.median_s for run in runs)
    # 95% are expected; of 200 trials, 90% are three standard deviations fewer.
    assert sum(run.low_s <= 0.01 <= run.high_s for run in runs) >= 180
    # 1% of noise is not much: nothing is said of it, but for what chance brings.
    assert sum(bool(run.flags) for run in runs) <= 4


def test_more_noise_takes_more_blocks():
    quiet, noisy = (time_steps(Script(step_s=0.01, noise=noise), GPU) for noise in (0.01, 0.04))
    assert (quiet.status, noisy.status) == ("ok", "ok")
    assert len(noisy.samples_s) > 2 * len(quiet.samples_s)


def test_noise_without_end_stops_at_the_cap():
    subject = Script(step_s=0.01, noise=0.3)
    measured = time_steps(subject, replace(GPU, most_s=12.0))
    assert measured.status == "not_converged"
    assert 12.0 <= sum(measured.samples_s) * measured.steps_per_block <= 12.2
    assert "noise" in about(measured.flags)


def test_a_change_prolongs_the_warm_up():
    steady = time_steps(Script(step_s=0.01), GPU)
    changing = time_steps(Script(step_s=0.01, shape=lambda elapsed_s: 1.3 if elapsed_s < 1.5 else 1.0), GPU)
    assert changing.warm_up_s > steady.warm_up_s + 0.5
    assert changing.median_s == pytest.approx(0.01)
    assert changing.flags == ()


def test_a_warm_up_that_never_settles_ends_and_says_so():
    # It gets slower by a tenth every second.
    measured = time_steps(Script(step_s=0.01, shape=lambda elapsed_s: 1.1**elapsed_s), GPU)
    assert 30.0 <= measured.warm_up_s <= 32.0
    assert {"warm-up", "drift"} <= about(measured.flags)


def test_a_drift_is_flagged():
    # After the warm-up of about 2.3 s, 2% a second.
    measured = time_steps(Script(step_s=0.01, noise=0.003, shape=lambda s: 1 + 0.02 * max(0.0, s - 2.5)), GPU)
    assert "drift" in about(measured.flags)
    assert "slower" in measured.flags[0]


def test_throttling_is_flagged_and_not_discarded():
    subject = Script(step_s=0.01, noise=0.005, shape=lambda elapsed_s: 1.3 if elapsed_s > 4 else 1.0)
    measured = time_steps(subject, GPU)
    samples = np.asarray(measured.samples_s)
    assert "drift" in about(measured.flags)
    assert (samples < 0.011).sum() > 10
    assert (samples > 0.012).sum() > 10
    timed = subject.blocks[-len(samples) :]
    assert len(timed) == len(samples)
    assert set(timed) == {measured.steps_per_block}


def test_late_throttling_is_flagged():
    # Too short for the half's median, but far outside.
    measured = time_steps(Script(step_s=0.01, noise=0.002, shape=lambda s: 1.3 if s > 5 else 1.0), GPU)
    assert about(measured.flags) & {"drift", "outliers"}


def test_outliers_are_flagged_and_do_not_move_the_median():
    calm = time_steps(Script(step_s=0.01, noise=0.002, seed=3), GPU)
    spikes = iter(range(10**6))
    jumpy = time_steps(
        Script(step_s=0.01, noise=0.002, seed=3, shape=lambda _: 3.0 if next(spikes) % 20 == 5 else 1.0), GPU
    )
    assert "outliers" in about(jumpy.flags)
    assert "outliers" not in about(calm.flags)
    assert jumpy.median_s == pytest.approx(calm.median_s, rel=0.002)
    assert max(jumpy.samples_s) > 0.028


@pytest.mark.parametrize("time_s", [0.0, -1e-3])
def test_a_clock_that_stands_still_or_goes_back_ends_it(time_s):
    measured = time_steps(Script(step_s=time_s), GPU)
    assert (measured.status, len(measured.samples_s)) == ("not_converged", 1)
    assert about(measured.flags) == {"clock"}


def test_five_processes_share_a_configuration_on_a_cpu():
    share = CPU.share(5)
    assert (share.least_blocks, share.most_s, share.floor_blocks) == (10, 12.0, 1)
    measured = time_steps(Script(step_s=0.003, noise=0.02), share)
    # 1.1 times 100 ms are 37 steps and more; two samples may halve and double that.
    assert (measured.status, len(measured.samples_s)) == ("ok", 10)
    assert 35 <= measured.steps_per_block <= 39


def test_a_slow_step_on_a_cpu_leaves_five_samples_that_are_not_converged():
    parts = [time_steps(Script(step_s=30.0), CPU.share(5)) for _ in range(5)]
    whole = combine(*parts)
    assert (whole.status, whole.samples_s) == ("not_converged", (30.0,) * 5)
    alone = time_steps(Script(step_s=30.0), CPU)
    assert (alone.status, alone.samples_s) == ("not_converged", (30.0,) * 5)


def test_several_processes_are_one_measurement():
    # Each process is by itself sure of its median, but they are 2% apart.
    parts = [
        time_steps(Script(step_s=0.01 * (1 + 0.02 * place), noise=0.002, seed=place), CPU.share(5))
        for place in range(5)
    ]
    whole = combine(*parts)
    assert whole.samples_s == tuple(sample for part in parts for sample in part.samples_s)
    assert (whole.status, len(whole.samples_s)) == ("ok", 50)
    assert whole.median_s == pytest.approx(0.0104, rel=0.01)
    assert whole.warm_up_steps == sum(part.warm_up_steps for part in parts)
    # The interval is that of processes that differ by 2%, not of their samples.
    assert whole.high_s - whole.low_s > 5 * max(part.high_s - part.low_s for part in parts)


def test_a_flag_of_one_process_stays_one_of_all():
    calm = time_steps(Script(step_s=0.01), CPU.share(5))
    drifting = time_steps(Script(step_s=0.01, shape=lambda elapsed_s: 1 + 0.1 * elapsed_s), CPU.share(5))
    assert about(combine(calm, calm, drifting).flags) >= {"drift"}
    assert combine(calm, calm).flags == ()


def test_equal_times_give_equal_results():
    assert time_steps(Script(0.01, 0.01, seed=7), GPU) == time_steps(Script(0.01, 0.01, seed=7), GPU)
