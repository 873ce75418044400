from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archbench.errors import MeasurementError
from archbench.measure.bench import max_batch as module
from archbench.measure.bench.expectation import expect
from archbench.measure.bench.max_batch import Largest, MeasuredMemory, PredictedMemory, find_largest
from archbench.measure.worker.client import Failure
from tests.helpers.measurements import configuration

CONFIGURATION = configuration(mode="train", batch=0)


class FakeMemory:
    """A device with a formula for what a batch takes; more than all it has does not fit."""

    def __init__(self, needed, free, limit=None):
        self._needed = needed
        self._free = free
        self._limit = free * 9 // 10 if limit is None else limit
        self.tried = []

    def needed_bytes(self, batch):
        return self._needed(batch) if self._needed(batch) <= self._free else None

    def tried_bytes(self, batch):
        self.tried.append(batch)
        return self.needed_bytes(batch)

    def limit_bytes(self):
        return self._limit


def line(batch):
    return 1000 + 10 * batch


def test_on_a_line_the_first_prediction_is_the_largest():
    memory = FakeMemory(line, free=10_000)
    # 90% of 10,000 are 9,000, and (9,000 - 1,000) / 10 = 800.
    assert find_largest(memory, most=2**16) == Largest(800, 9000, 9000, is_capped=False)
    assert memory.tried == [800]


@settings(max_examples=300)
@example(base=1, slope=2, free=22)  # 8 fit, 16 do not
@given(base=st.integers(0, 10**6), slope=st.integers(1, 10**5), free=st.integers(1, 10**9))
def test_on_any_line_no_larger_batch_would_be_safe(base, slope, free):
    memory = FakeMemory(lambda batch: base + slope * batch, free)
    found = find_largest(memory, most=2**16)
    limit = free * 9 // 10
    # The oracle: the line solved for the batch.
    expected = min(2**16, max(0, (limit - base) // slope))
    assert found.batch == expected
    assert found.is_capped == (expected == 2**16)


def test_a_capped_batch_is_marked():
    assert find_largest(FakeMemory(line, free=10**9), most=256) == Largest(256, 3560, 900_000_000, is_capped=True)


def test_memory_that_does_not_grow_is_capped():
    assert find_largest(FakeMemory(lambda batch: 500, free=1000), most=256) == Largest(256, 500, 900, is_capped=True)


def test_the_search_bisects_after_a_batch_out_of_memory():
    # From 100 on a workspace of 50,000 appears, of which the line through 8 and 64 knows nothing.
    memory = FakeMemory(lambda batch: line(batch) + (50_000 if batch >= 100 else 0), free=10_000)
    found = find_largest(memory, most=2**16)
    # Halfway between 64, which fits, and 800, and so on; 110 - 98 is an eighth of 98.
    assert memory.tried == [800, 432, 248, 156, 110, 87, 98]
    assert (found.batch, found.needed_bytes) == (98, 1980)


def test_a_batch_above_the_limit_is_a_point_of_the_next_line():
    # Quadratic: 1000 + batch²; the limit of 9,000 lies at the square root of 8,000, 89.
    memory = FakeMemory(lambda batch: 1000 + batch * batch, free=100_000, limit=9000)
    found = find_largest(memory, most=2**16)
    # The line from (8, 1064) to (64, 5096) has slope 72 and reaches 9,000 at 118; from (64, 5096) to (118, 14924)
    # 182, at 85. That is below 89, for a line through a curve that bends up lies above it between its points. Between
    # 85 and 118 lies 101, of 11,201 bytes; the line from 85 to it has slope 186 and reaches 9,000 at 89. From there to
    # 101 is more than an eighth of 89, but at 95, of 10,025 bytes, the line says 89 again.
    assert memory.tried == [118, 85, 101, 89, 95]
    assert (found.batch, found.needed_bytes) == (89, 8921)


@given(power=st.floats(1.0, 2.0), free=st.integers(2000, 10**7))
def test_the_largest_batch_was_tried_and_is_safe_on_any_curve(power, free):
    memory = FakeMemory(lambda batch: 1000 + int(batch**power), free)
    found = find_largest(memory, most=2**16)
    if found.batch:
        assert found.batch in memory.tried
        assert found.needed_bytes <= found.limit_bytes


@given(noise=st.integers(0, 2**32), free=st.integers(20_000, 10**7))
def test_noise_about_the_limit_costs_few_processes(noise, free):
    # Allocators take a little more or less for a little larger batch: up to 3% here, so that lines fall as they rise.
    def needed(batch):
        return line(batch) + random.Random(f"{noise} {batch}").randrange(1 + line(batch) // 32)

    memory = FakeMemory(needed, free)
    found = find_largest(memory, most=2**16)
    assert len(memory.tried) <= 10
    # Within a sixteenth for the noise and a thirty-second for the step.
    assert found.batch >= 0.85 * min(2**16, (found.limit_bytes - 1000) / 10)


@pytest.mark.parametrize(("free", "batch"), [(1075, 0), (1050, 0), (1000, 0), (1200, 8)])
def test_a_small_limit_gives_a_small_batch(free, batch):
    # One sample takes 1,010 and 90% of 1,075 are 967; of 1,200 they are 1,080: eight samples.
    assert find_largest(FakeMemory(line, free), most=2**16).batch == batch


# In processes


@pytest.fixture
def answers(monkeypatch):
    """Let processes answer by a function of the request."""

    def use(answer):
        monkeypatch.setattr(module, "run_request", lambda request, on_phase: answer(request))

    return use


def test_a_gpu_is_measured_and_its_limit_is_90_percent_of_free_memory(answers):
    def answer(request):
        assert (request.task, request.options.processes) == ("memory", 1)
        peak = line(request.configuration.batch)
        return {"peak_bytes": peak, "free_bytes": 10_000} if peak <= 10_000 else Failure("oom", "out of memory")

    answers(answer)
    memory = MeasuredMemory(replace(CONFIGURATION, kind="cuda"), lambda _: None)
    assert find_largest(memory, most=2**16) == Largest(800, 9000, 9000, is_capped=False)
    assert memory.needed_bytes(901) is None


def test_a_failure_is_not_mistaken_for_lack_of_memory(answers):
    answers(lambda _: Failure("failed", "RuntimeError: no kernel for this", 1))
    with pytest.raises(MeasurementError, match="lenet: RuntimeError: no kernel"):
        MeasuredMemory(CONFIGURATION, lambda _: None).needed_bytes(8)
    with pytest.raises(MeasurementError, match="lenet: RuntimeError: no kernel"):
        PredictedMemory(CONFIGURATION, lambda _: None, lambda _: 1, 100).tried_bytes(8)


def test_a_cpu_is_predicted_and_a_killed_batch_does_not_fit(answers):
    # The system kills what takes more than 2,000, whatever was predicted.
    answers(
        lambda request: {} if line(request.configuration.batch) <= 2000 else Failure("failed", "ended by SIGKILL", -9)
    )
    memory = PredictedMemory(
        CONFIGURATION, lambda _: None, lambda configuration: line(configuration.batch), free_bytes=10_000
    )
    # As above: an eighth below 110.
    assert find_largest(memory, most=2**16).batch == 98


def test_a_batch_that_fails_where_a_smaller_one_ran_is_too_large(answers):
    # As libraries do whose indices have 32 bits.
    def answer(request):
        if request.configuration.batch > 500:
            return Failure("failed", "RuntimeError: Expected canUse32BitIndexMath(input) to be true")
        return {"peak_bytes": line(request.configuration.batch), "free_bytes": 10_000}

    answers(answer)
    found = find_largest(MeasuredMemory(replace(CONFIGURATION, kind="cuda"), lambda _: None), most=2**16)
    assert 500 - 500 // 8 <= found.batch <= 500


@pytest.mark.slow
def test_lenet_within_a_small_limit_on_a_cpu():
    free = 4 * 2**20
    memory = PredictedMemory(
        CONFIGURATION, lambda _: None, lambda configuration: expect(configuration).needed_bytes, free
    )
    found = find_largest(memory, most=2**16)

    def needed(batch):
        return expect(replace(CONFIGURATION, batch=batch)).needed_bytes

    assert 1 < found.batch < 2**16
    assert found.needed_bytes == needed(found.batch) <= 0.9 * free
    # Within a tenth of the largest: the peak of a training step may move from one place to another.
    assert needed(found.batch + found.batch // 10 + 1) > 0.9 * free
