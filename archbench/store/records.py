"""Records of measurements: plain values in base units, as the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from archbench.models.identity import from_here

if TYPE_CHECKING:
    from archbench.analyze.performance.kernels import Layout
    from archbench.host.machine import Kind
    from archbench.precision import PrecisionName
    from archbench.trace.tracer import Mode

Status = Literal["ok", "not_converged", "implausible", "oom", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)

# The input shape of a model that brings its own example inputs.
EXAMPLE = "example"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is measured: results of equal configurations on one machine can be compared.

    `model` is an address that names the same model from every folder. `input_shape` has the inputs as `--input` takes
    them, joined by commas, or `example` for the model's own example inputs. `device` is the name that the driver or
    system reports. `threads` are torch's intra-op threads on a CPU, 0 on other devices.
    """

    model: str
    input_shape: str
    kind: Kind
    device: str
    mode: Mode
    batch: int
    dtype: PrecisionName
    layout: Layout
    compiled: bool
    graphs: bool
    threads: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs as `--input` takes them; empty for the model's own example inputs."""
        return () if self.input_shape in ("", EXAMPLE) else tuple(self.input_shape.split(","))


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of measuring one configuration. Times are seconds per step, rates per second; None is unknown.

    `started_at` is UTC in ISO 8601, always in one format, so that it sorts as text. `images_per_s_low` and `_high`
    bound the 95% interval of the median. `samples_s` are the raw times of one step, one per block, process by process,
    `samples_per_process` their number in each process (empty: unknown); `latencies_s` are times of steps that were
    synchronized one by one. `replay_s` is the time of the same step as a CUDA graph, `phases_s` the median time of each
    phase of a training step, synchronized. `reason` says why `status` is not ok, `flags` are warnings about a result
    that is. `environment` records what else the numbers depend on.
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
    """Return a configuration in words; batch 0 is `auto`, the largest safe batch."""
    words = [
        from_here(configuration.model),
        configuration.mode,
        f"batch {configuration.batch or 'auto'}",
        configuration.dtype,
    ]
    words.append(configuration.layout)
    if configuration.compiled:
        words.append("compiled")
    if configuration.graphs:
        words.append("graph replay")
    return ", ".join(words)
