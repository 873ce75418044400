"""What one measured configuration leaves behind: plain values in base units, as the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from archbench.errors import UsageError, nearest

Status = Literal["ok", "not_converged", "implausible", "oom", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is measured: two measurements of equal configurations on one machine can be compared.

    `device` is the device's own name as its driver or system gives it, `kind` cpu, cuda or mps; `dtype` a name of
    `archbench.precision`. `threads` are torch's, on a CPU.
    """

    model: str
    input_shape: str
    kind: str
    device: str
    mode: str
    batch: int
    dtype: str
    layout: str
    compiled: bool
    graphs: bool
    threads: int


@dataclass(frozen=True, slots=True)
class Result:
    """One configuration, measured or failed. Times are seconds of one step, rates per second; None is not known.

    `started_at` is UTC by ISO 8601, always written alike, so that its order as text is the order in time. Low and high
    bound the 95% interval of the median. `samples_s` are the raw times of one step, one a block, process by process, of
    which each gave as many as `samples_per_process` says (empty: not known); `latencies_s` of steps that were each
    waited for. `replay_s` is the time of the same step as a CUDA graph, `phases_s` the median time of each phase of a
    training step that was waited for. `reason` says why the status is not ok, `flags` what a reader must know of one
    that is. `environment` is everything that the numbers depend on.
    """

    run_id: str
    started_at: str
    machine: str
    configuration: Configuration
    status: Status
    reason: str = ""
    images_per_s: float | None = None
    images_per_s_low: float | None = None
    images_per_s_high: float | None = None
    latency_s_median: float | None = None
    latency_s_p90: float | None = None
    latency_s_p99: float | None = None
    flop_per_s: float | None = None
    utilisation: float | None = None
    peak_allocated_bytes: int | None = None
    peak_reserved_bytes: int | None = None
    compile_s: float | None = None
    first_step_s: float | None = None
    energy_j_per_image: float | None = None
    predicted_images_per_s: float | None = None
    replay_s: float | None = None
    flags: tuple[str, ...] = ()
    samples_s: tuple[float, ...] = ()
    samples_per_process: tuple[int, ...] = ()
    latencies_s: tuple[float, ...] = ()
    phases_s: dict[str, float] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)


def described(configuration: Configuration) -> str:
    """Return a configuration in words; a batch of 0 is one that is to be found."""
    words = [configuration.model, configuration.mode, f"batch {configuration.batch or 'auto'}", configuration.dtype]
    words.append(configuration.layout)
    if configuration.compiled:
        words.append("compiled")
    if configuration.graphs:
        words.append("graph replay")
    return ", ".join(words)


def find_status(name: str) -> Status:
    """Return the status of that name. Raises UsageError, naming the nearest, if there is none."""
    for status in STATUSES:
        if name == status:
            return status
    raise UsageError(f"there is no status '{name}'; there are {', '.join(STATUSES)}{nearest(name, STATUSES)}")
