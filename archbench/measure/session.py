"""Measure a configuration in processes of its own, and make one result of what they say, or of how they end."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from typing import Any
from uuid import uuid4

from archbench.measure.engine import Measured, combine
from archbench.measure.plausibility import Limits, plausibility, remarks
from archbench.measure.processes import reason, worker
from archbench.measure.request import Request
from archbench.measure.statistics import percentile
from archbench.store.records import Configuration, Result, Status
from archbench.units import format_bytes

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Ended:
    """A process that gave no answer: what became of it."""

    status: Status
    reason: str


def measure_configuration(
    request: Request,
    configuration: Configuration,
    machine: str,
    on_progress: Progress,
    siblings: Sequence[Result] = (),
) -> Result:
    """Return the result of one configuration: measured, or how it failed. A process that dies takes nothing with it.

    `siblings` are results of models of its family, which a bigger one should not be faster than.
    """
    result = Result(
        run_id=uuid4().hex,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        configuration=configuration,
        status="failed",
    )
    answers = []
    for number in range(request.processes):
        said = _ask(replace(request, seed=number), on_progress)
        if isinstance(said, _Ended):
            return replace(result, status=said.status, reason=said.reason)
        answers.append(said)
    return _result(result, request, answers, siblings)


def _result(result: Result, request: Request, answers: list[dict[str, Any]], siblings: Sequence[Result]) -> Result:
    """Return the result with what all processes found."""
    measured = combine(*(_measured(answer["measured"]) for answer in answers))
    latencies = [latency for answer in answers for latency in answer["latencies_s"]]
    first = answers[0]
    batch = request.batch
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
        flop_per_s=first["flops"] / measured.median_s,
        utilisation=_share(first["flops"] / measured.median_s, first["peak_flop_per_s"]),
        peak_allocated_bytes=first["peak_allocated_bytes"],
        peak_reserved_bytes=first["peak_reserved_bytes"],
        compile_s=first["first_step_s"] - measured.median_s if request.compiled else None,
        first_step_s=first["first_step_s"],
        energy_j_per_image=_share(first["energy_j"], first["energy_steps"] * batch),
        predicted_images_per_s=first["predicted_images_per_s"],
        flags=measured.flags,
        samples_s=measured.samples_s,
        latencies_s=tuple(latencies),
        environment=first["environment"],
    )
    return _judged(
        found, siblings, Limits(peak_flop_per_s=first["peak_flop_per_s"], winograd_share=first["winograd_share"])
    )


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


def _ask(request: Request, on_progress: Progress) -> dict[str, Any] | _Ended:
    """Return what a fresh process answers, or how it ended without an answer."""
    which = f", process {request.seed + 1} of {request.processes}" if request.processes > 1 else ""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors, worker(errors) as process:
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        process.stdin.write(f"{request.to_json()}\n")
        process.stdin.close()
        for line in process.stdout:
            said = json.loads(line)
            event = said.pop("event")
            if event == "phase":
                on_progress(f"{said['what']}{which}")
            elif event == "done":
                return dict(said)
            else:
                return _Ended("oom", _memory(said))
        code = process.wait()
        errors.seek(0)
        return _Ended("failed", reason(code, errors.read()))


def _memory(said: dict[str, Any]) -> str:
    free = "" if said["free_bytes"] is None else f"{format_bytes(said['free_bytes'])} are free, "
    return f"out of memory: {free}about {format_bytes(said['needed_bytes'])} are needed"
