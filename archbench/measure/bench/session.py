"""Measure a configuration in processes of its own, and make one result of what they say, or of how they end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import uuid4

from archbench.measure.bench.plausibility import Limits, plausibility, remarks
from archbench.measure.bench.sample_quality import one_of_a_kind
from archbench.measure.bench.timing import Measured, combine
from archbench.measure.worker.client import Ended, Progress, ask
from archbench.measure.worker.request import Request
from archbench.statistics.samples import percentile
from archbench.store.records import Configuration, Result


def measure_configuration(
    request: Request,
    configuration: Configuration,
    machine: str,
    on_progress: Progress,
    siblings: Sequence[Result] = (),
    *,
    phases: bool = False,
) -> Result:
    """Return the result of one configuration: measured, or how it failed. A process that dies takes nothing with it.

    `siblings` are results of models of its family, which a bigger one should not be faster than. The phases of a
    training step are timed, if they are asked for, in one more process.
    """
    result = Result(
        run_id=uuid4().hex,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        configuration=configuration,
        status="failed",
    )
    answers = []
    with _compilers_place(request) as variables:
        for number in range(request.processes):
            said = ask(replace(request, seed=number), on_progress, variables)
            if isinstance(said, Ended):
                return replace(result, status=said.status, reason=said.reason, environment=said.environment)
            answers.append(said)
    result = _result(result, request, answers, siblings)
    return _with_phases(result, request, on_progress) if phases and request.mode == "train" else result


@contextmanager
def _compilers_place(request: Request) -> Iterator[dict[str, str]]:
    """Let what is compiled be kept for the further processes alone, so that the first compiles all of it."""
    if not request.compiled:
        yield {}
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": f"{folder}/triton"}


def _with_phases(result: Result, request: Request, on_progress: Progress) -> Result:
    """Return the result with the phases of its step; without them, flagged, if the process that times them fails."""
    said = ask(replace(request, task="phases", processes=1), on_progress)
    if isinstance(said, Ended):
        return replace(result, flags=(*result.flags, f"phases: {said.reason}"))
    return replace(result, phases_s=said["phases_s"])


def _result(result: Result, request: Request, answers: list[dict[str, Any]], siblings: Sequence[Result]) -> Result:
    """Return the result with what all processes found."""
    parts = [_measured(answer["measured"]) for answer in answers]
    measured = combine(*parts)
    latencies = [latency for answer in answers for latency in answer["latencies_s"]]
    first, batch = answers[0], request.batch
    foreseen = first["foreseen"]
    flop_per_s = foreseen["flops"] / measured.median_s
    found = replace(
        result,
        status=measured.status,
        reason="" if measured.status == "ok" else "the median was not sure enough when the time was up",
        images_per_s=batch / measured.median_s,
        images_per_s_low=batch / measured.high_s,
        images_per_s_high=batch / measured.low_s,
        latency_s_median=median(latencies),
        latency_s_p90=percentile(latencies, 90),
        latency_s_p99=percentile(latencies, 99),
        flop_per_s=flop_per_s,
        utilisation=_share(flop_per_s, foreseen["peak_flop_per_s"]),
        peak_allocated_bytes=first["peak_allocated_bytes"],
        peak_reserved_bytes=first["peak_reserved_bytes"],
        compile_s=first["first_step_s"] - measured.median_s if request.compiled else None,
        first_step_s=first["first_step_s"],
        energy_j_per_image=_share(first["energy_j"], first["energy_steps"] * batch),
        predicted_images_per_s=foreseen["images_per_s"],
        replay_s=first.get("replay_s"),
        flags=one_of_a_kind((*measured.flags, *(flag for answer in answers for flag in answer["flags"]))),
        samples_s=measured.samples_s,
        samples_per_process=tuple(len(part.samples_s) for part in parts),
        latencies_s=tuple(latencies),
        environment=first["environment"],
    )
    # Where nothing was measured both peaks are what the maker states.
    limits = Limits(
        peak_flop_per_s=foreseen["published_flop_per_s"],
        measured_flop_per_s=foreseen["peak_flop_per_s"],
        winograd_share=foreseen["winograd_share"],
    )
    return _judged(found, siblings, limits)


def _judged(result: Result, siblings: Sequence[Result], limits: Limits) -> Result:
    """Return the result, flagged if it cannot be."""
    doubts = plausibility(result, limits, siblings)
    if doubts:
        return replace(result, status="implausible", reason="; ".join(doubts))
    return replace(result, flags=(*result.flags, *remarks(result, limits)))


def _measured(values: dict[str, Any]) -> Measured:
    return Measured(**{**values, "samples_s": tuple(values["samples_s"]), "flags": tuple(values["flags"])})


def _share(value: float | None, whole: float | None) -> float | None:
    return None if value is None or not whole else value / whole
