"""Measure one configuration in worker processes and combine their answers into one result."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import uuid4

from archbench.measure.bench.expectation import Expectation
from archbench.measure.bench.plausibility import implausible, surprising
from archbench.measure.bench.sample_quality import unique_flags
from archbench.measure.bench.timing import Timing, combine
from archbench.measure.worker.client import Failure, OnPhase, run_request
from archbench.measure.worker.request import Request, RunOptions
from archbench.statistics.samples import percentile
from archbench.store.records import Configuration, Result


def measure_configuration(
    configuration: Configuration,
    options: RunOptions,
    machine: str,
    on_phase: OnPhase,
    siblings: Sequence[Result] = (),
) -> Result:
    """Return the result of one configuration, measured or failed.

    `siblings` are results of models of the same family, whose rates should be in the order of their sizes.
    """
    result = Result(
        run_id=uuid4().hex,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        configuration=configuration,
        status="failed",
    )
    answers = []
    with _compiler_cache(configuration) as variables:
        for number in range(options.processes):
            request = Request("measure", configuration, options, number)
            answer = run_request(request, _numbered(on_phase, request), variables)
            if isinstance(answer, Failure):
                return replace(result, status=answer.status, reason=answer.reason, environment=answer.environment)
            answers.append(answer)
    result = _judged(_combined(result, answers), Expectation(**answers[0]["expectation"]), siblings)
    return _with_phases(result, options, on_phase) if options.phases and configuration.mode == "train" else result


def _numbered(on_phase: OnPhase, request: Request) -> OnPhase:
    """Return a callback that adds the number of the process where there are several."""
    if request.options.processes == 1:
        return on_phase
    return lambda text: on_phase(f"{text}, process {request.seed + 1} of {request.options.processes}")


@contextmanager
def _compiler_cache(configuration: Configuration) -> Iterator[dict[str, str]]:
    """Yield variables that give torch.compile a new cache: the first process compiles all, the others reuse it."""
    if not configuration.compiled:
        yield {}
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": f"{folder}/triton"}


def _with_phases(result: Result, options: RunOptions, on_phase: OnPhase) -> Result:
    """Return the result with the phases of its step, or with a flag if they could not be timed."""
    answer = run_request(Request("phases", result.configuration, options), on_phase)
    if isinstance(answer, Failure):
        return replace(result, flags=(*result.flags, f"phases: {answer.reason}"))
    return replace(result, phases_s=answer["phases_s"])


def _combined(result: Result, answers: list[dict[str, Any]]) -> Result:
    """Return the result with the timings of all processes; what is equal for all is the first one's."""
    parts = [_timing(answer["timing"]) for answer in answers]
    timing = combine(*parts)
    latencies = [latency for answer in answers for latency in answer["latencies_s"]]
    first, batch = answers[0], result.configuration.batch
    expectation = Expectation(**first["expectation"])
    flop_per_s = expectation.flops / timing.median_s
    return replace(
        result,
        status=timing.status,
        reason="" if timing.status == "ok" else "the median was not sure enough when the time was up",
        images_per_s=batch / timing.median_s,
        images_per_s_low=batch / timing.high_s,
        images_per_s_high=batch / timing.low_s,
        latency_s_median=median(latencies),
        latency_s_p90=percentile(latencies, 90),
        latency_s_p99=percentile(latencies, 99),
        flop_per_s=flop_per_s,
        utilisation=_ratio(flop_per_s, expectation.peak_flop_per_s),
        peak_allocated_bytes=first["peak_allocated_bytes"],
        peak_reserved_bytes=first["peak_reserved_bytes"],
        compile_s=first["first_step_s"] - timing.median_s if result.configuration.compiled else None,
        first_step_s=first["first_step_s"],
        energy_j_per_image=_ratio(first["energy_j"], first["energy_steps"] * batch),
        predicted_images_per_s=expectation.images_per_s,
        replay_s=first.get("replay_s"),
        flags=unique_flags((*timing.flags, *(flag for answer in answers for flag in answer["flags"]))),
        samples_s=timing.samples_s,
        samples_per_process=tuple(len(part.samples_s) for part in parts),
        latencies_s=tuple(latencies),
        environment=first["environment"],
    )


def _judged(result: Result, expectation: Expectation, siblings: Sequence[Result]) -> Result:
    """Return the result with the status implausible, or with flags if it is surprising."""
    reasons = implausible(result, expectation, siblings)
    if reasons:
        return replace(result, status="implausible", reason="; ".join(reasons))
    return replace(result, flags=(*result.flags, *surprising(result, expectation)))


def _timing(values: dict[str, Any]) -> Timing:
    return Timing(**{**values, "samples_s": tuple(values["samples_s"]), "flags": tuple(values["flags"])})


def _ratio(value: float | None, whole: float | None) -> float | None:
    return None if value is None or not whole else value / whole
