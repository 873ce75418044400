from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archbench.errors import UsageError
from archbench.measure.bench.compare_runs import Difference, compare_runs
from archbench.statistics.samples import median_ratio_interval
from archbench.store.records import Configuration, Result

WHAT = Configuration("vgg16", "3x224x224", "cpu", "Some CPU", "eval", 32, "fp32", "nchw", False, False, 2)
ENVIRONMENT = {
    "date": "2026-01-01", "torch": "2.15", "driver": None, "threads": 2, "load_1min": 0.1, "seed": 0,
    "flags": {"cudnn.benchmark": True}, "commit": "abc",
}  # fmt: skip


def run(step_s, *, seed=0, processes=5, between=0.0, **changes):
    """Return a run of processes with ten samples each, which differ by a part `between` and have 1% of noise."""
    random = np.random.default_rng(seed)
    samples = [
        step_s * offset * (1 + 0.01 * random.normal())
        for offset in 1 + between * random.normal(size=processes)
        for _ in range(10)
    ]
    values = {"samples_s": tuple(samples), "samples_per_process": (10,) * processes, "environment": ENVIRONMENT}
    return Result("a" * 32, "2026-01-01", "here", WHAT, "ok", **{**values, **changes})


def test_the_ratio_is_that_of_the_medians_with_an_interval():
    found = compare_runs(run(0.10, seed=1), run(0.12, seed=2))
    assert found.ratio == pytest.approx(1.2, rel=0.01)
    assert 1.18 < found.low <= found.ratio <= found.high < 1.22
    assert found.verdict == "faster"
    assert compare_runs(run(0.12, seed=2), run(0.10, seed=1)).verdict == "slower"


def test_equal_runs_show_no_difference():
    found = compare_runs(run(0.1, seed=1), run(0.1, seed=2))
    assert (found.verdict, found.differences) == ("no difference above the noise", ())


def test_a_run_against_itself_has_an_interval_all_the_same():
    # Each is resampled apart: with the same draws for both, the interval would be a point.
    found = compare_runs(run(0.1), run(0.1))
    assert found.ratio == 1.0
    assert found.low < 1.0 < found.high


def test_processes_that_differ_widen_the_interval_of_the_ratio():
    a, b = run(0.1, seed=1, between=0.05), run(0.1, seed=2, between=0.05)
    knowing = compare_runs(a, b)
    unknowing = compare_runs(replace(a, samples_per_process=()), replace(b, samples_per_process=()))
    assert unknowing.ratio == knowing.ratio
    assert knowing.high - knowing.low > 1.3 * (unknowing.high - unknowing.low)


def test_runs_of_different_batches_are_compared_by_the_image():
    # 0.1 s for 32 images are 3.125 ms, 0.1 s for 64 half of it: A is half as fast.
    twice = replace(run(0.1, seed=2), configuration=replace(WHAT, batch=64))
    assert compare_runs(run(0.1, seed=1), twice).ratio == pytest.approx(0.5, rel=0.01)


def test_differences_are_listed_without_transient_state():
    other = {**ENVIRONMENT, "date": "2026-02-02", "torch": "2.11", "load_1min": 3.0, "seed": 7, "driver": "580"}
    other["flags"] = {"cudnn.benchmark": False}
    b = replace(run(0.1), configuration=replace(WHAT, dtype="bf16"), machine="there", environment=other)
    assert compare_runs(run(0.1), b).differences == (
        Difference("dtype", "fp32", "bf16"),
        Difference("machine", "here", "there"),
        Difference("torch", "2.15", "2.11"),
        Difference("driver", None, "580"),
        Difference("cudnn.benchmark", True, False),
    )


def test_a_run_without_samples_is_an_error():
    failed = replace(run(0.1), samples_s=(), status="failed", reason="no kernel for this")
    with pytest.raises(UsageError, match="run aaaaaaaa is failed and has no samples to compare: no kernel for this"):
        compare_runs(run(0.1), failed)


def test_the_interval_of_a_ratio_holds_it_as_often_as_it_says():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(40):
        above, below = (random.normal(mean, 0.02 * mean, size=40) for mean in (1.1, 1.0))
        interval = median_ratio_interval([above.tolist()], [below.tolist()])
        held += interval.low <= 1.1 <= interval.high
    # 38 are expected, the standard deviation is 1.4: 33 are more than three of them fewer.
    assert held >= 33
