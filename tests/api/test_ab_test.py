from __future__ import annotations

import json

import numpy as np
import pytest

import archbench
from archbench.api import ab_test as module
from archbench.measure.bench.ab_test import ABSamples
from archbench.statistics.pairs import compare_pairs

A_S, B_S = (0.100, 0.101, 0.102) * 7, (0.125, 0.126, 0.127) * 7


@pytest.fixture
def calls(monkeypatch):
    """Let B take a quarter longer than A, and return what was compared."""
    compared = []

    def run(a, b, options, on_round):
        compared.append((a, b, options))
        on_round("round 1 of 3")
        return ABSamples(compare_pairs([A_S[:3]] * 7, [B_S[:3]] * 7, floor=0.01), A_S, B_S, A_S)

    monkeypatch.setattr(module, "run_ab_test", run)
    return compared


def test_ab_test_compares_two_models_everything_else_alike(calls):
    notes = []
    progress = archbench.Progress()
    progress.note = notes.append
    result = archbench.ab_test("lenet", "lenet5", batch=8, mode="train", device="cpu", threads=1, progress=progress)
    a, b, options = calls[0]
    assert (a.model, b.model, a.batch, a.mode, options.processes) == ("lenet", "lenet5", 8, "train", 5)
    assert (result.verdict, notes) == ("faster", ["round 1 of 3"])
    # 0.126 / 0.101
    assert result.ratio == pytest.approx(1.2475, rel=1e-3)


def test_an_ab_result_is_a_table_with_its_samples(calls):
    result = archbench.ab_test("lenet", "lenet5", device="cpu")
    assert repr(result) == "<ABResult of lenet and lenet5: faster, 1.25×>"
    assert "A is faster: 1.25×" in str(result)
    (row,) = json.loads(json.dumps(result.to_dict()))
    assert (row["a"], row["b"], row["num_pairs"], len(row["again_s"])) == ("lenet", "lenet5", 21, 21)


def test_ab_test_refuses_what_it_cannot_measure(calls):
    with pytest.raises(archbench.AddressError, match="did you mean 'lenet5'"):
        archbench.ab_test("lenet", "lenet55", device="cpu")
    with pytest.raises(archbench.UsageError, match="dtype='tf32' requires an NVIDIA GPU"):
        archbench.ab_test("lenet", "lenet5", dtype="tf32", device="cpu")
    assert not calls


def slower(monkeypatch, ratio, floor=0.0):
    """Let A take `ratio` times as long as B, with an interval of about 0.4% on each side."""
    random = np.random.default_rng(0)
    b_rounds = [[0.1 * (1 + 0.004 * random.normal())] * 3 for _ in range(7)]
    found = ABSamples(compare_pairs([[0.1 * ratio] * 3] * 7, b_rounds, floor=floor), A_S, B_S, A_S)
    monkeypatch.setattr(module, "run_ab_test", lambda *arguments: found)


@pytest.mark.parametrize(
    ("ratio", "floor", "limit", "passed"),
    [
        (1.05, 0.0, "2%", False),
        (1.05, 0.0, 0.02, False),
        (1.05, 0.0, "6%", True),  # slower, but not by so much
        (1.022, 0.0, "2%", True),  # the interval reaches below the limit
        (1.05, 0.08, "2%", True),  # A differs as much from itself
        (0.5, 0.0, "2%", True),  # faster
        (1.05, 0.0, None, True),  # no limit
    ],
)
def test_a_slowdown_fails_only_if_all_of_its_interval_is_beyond_limit_and_noise(
    monkeypatch, ratio, floor, limit, passed
):
    slower(monkeypatch, ratio, floor)
    result = archbench.ab_test("lenet", "lenet5", device="cpu", max_slowdown=limit)
    assert result.passed is passed
    assert ("Failed: A is slower by at least" in str(result)) is not passed
    assert ("Passed" in str(result)) is (passed and limit is not None)


@pytest.mark.parametrize(
    ("limit", "message"), [("2", "'2' is not a percentage such as 2%"), (-0.1, "max_slowdown=-0.1")]
)
def test_a_limit_that_is_no_percentage_is_refused(calls, limit, message):
    with pytest.raises(archbench.ArchbenchError, match=message):
        archbench.ab_test("lenet", "lenet5", device="cpu", max_slowdown=limit)
    assert not calls
