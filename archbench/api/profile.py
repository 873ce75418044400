"""The time of each layer within a step, measured on this machine."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archbench.analyze.layers import layer_table
from archbench.analyze.performance.kernels import Layout
from archbench.analyze.performance.layer_times import ProfileRow, top_rows
from archbench.api.measuring import batch_sizes, configurations_here, require_address, require_positive, warn_of_load
from archbench.errors import OutputError, UsageError
from archbench.files import write_whole
from archbench.host.machine import Kind, default_kind
from archbench.measure.profile.profile import LayerProfile, conditions_here, profile_layers
from archbench.models.loaded import Inputs, load_model
from archbench.precision import PrecisionName
from archbench.progress import Progress
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.model_caveats import caveats
from archbench.reporting.tables.profile import ProfiledModel, profile_document, profile_table
from archbench.trace.optimizer_step import Optimizer
from archbench.trace.tracer import Mode

_LOG = logging.getLogger("archbench")


@dataclass(frozen=True, repr=False)
class Profile(TableResult):
    """The time of each layer; `rows` sum to `step_s`, the time of a step under the profiler, in seconds."""

    rows: tuple[ProfileRow, ...]
    profiled: ProfiledModel
    trace_caveats: tuple[str, ...] = ()

    @property
    def step_s(self) -> float:
        """The time of a step under the profiler in seconds."""
        return self.profiled.profile.step_s

    def to_table(self) -> Table:
        """Return one row per layer, the gaps last."""
        return profile_table(self.profiled, self.rows, self.trace_caveats)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration, the times of a step and the rows."""
        return profile_document(self.profiled, self.rows)

    def __repr__(self) -> str:
        return f"<Profile of {self.profiled.name}: {len(self.rows)} rows>"


def profile(
    model: str,
    *,
    inputs: Inputs = None,
    batch: int = 1,
    mode: Mode = "eval",
    dtype: PrecisionName = "fp32",
    device: Kind | None = None,
    layout: Layout = "nchw",
    threads: int | None = None,
    top: int | None = None,
    trace: str | Path | None = None,
    max_seconds: float = 30.0,
    progress: Progress | None = None,
) -> Profile:
    """Measure where the time of a step goes, layer by layer, in a new process.

    Args:
        model: An address, such as `"vgg16"` or `"net.py:Net"`.
        inputs: Shapes of a sample, such as `"3x224x224"`; the model's usual input by default.
        batch: The number of samples.
        mode: `"train"` profiles a training step with SGD and momentum.
        dtype: The name of a precision.
        device: `"cpu"` or `"cuda"`; a GPU by default if there is one.
        layout: `"nhwc"` is torch's channels-last.
        threads: torch's threads on a CPU; all cores by default.
        top: Only so many rows, longest first, and one with the rest.
        trace: Path of a .json file for the profiler's own trace, which chrome://tracing shows.
        max_seconds: Time limit, excluding building.
        progress: Receives progress updates.

    Raises:
        TypeError: The model is not an address.
        MeasurementError: The process fails, or records no kernel of a GPU.
        UsageError, AddressError, InputError, DeviceError, OutputError: Before anything is measured.
    """
    address, progress = require_address(model, "profile"), progress or Progress()
    require_positive(max_seconds=max_seconds, top=top)
    if trace is not None:
        _check_trace(Path(trace))
    (configuration,) = configurations_here(
        [address], inputs=inputs, batch=batch_sizes(batch), mode=mode, dtype=dtype, device=_kind(device), layout=layout,
        threads=threads,
    )  # fmt: skip
    # torch's choice of the form on the device.
    optimizer = Optimizer("momentum", "loop" if configuration.kind == "cpu" else "foreach")
    loaded = load_model(
        address, configuration.inputs or None, dtype=dtype, device_kind="cpu" if configuration.kind == "cpu" else "cuda"
    )
    record = loaded.trace(batch, mode, optimizer)
    conditions = conditions_here(configuration)
    warn_of_load()
    progress.begin(address)
    measured = profile_layers(
        configuration, record, conditions, max_seconds, progress.update, wants_chrome_trace=trace is not None
    )
    if trace is not None:
        _write_trace(Path(trace), measured)
    return Profile(
        rows=measured.rows if top is None else tuple(top_rows(measured.rows, top)),
        profiled=ProfiledModel(address, measured, configuration, conditions),
        trace_caveats=caveats(address, layer_table(record), record.real_data_reason),
    )


def _kind(device: Kind | None) -> Kind:
    """Return the kind of device to profile. Raises UsageError for one whose kernels torch's profiler does not see."""
    if device == "mps":
        raise UsageError("{device} is not supported: torch's profiler sees no kernels there", device=device)
    if device is not None:
        return device
    default = default_kind()
    return "cpu" if default == "mps" else default


def _check_trace(path: Path) -> None:
    """Raise UsageError or OutputError if the trace could not be written."""
    if path.suffix != ".json":
        raise UsageError("{trace} is written as JSON; give a name that ends in .json", trace=path)
    if not path.parent.is_dir():
        raise OutputError(f"cannot write '{path}': there is no folder '{path.parent}'")


def _write_trace(path: Path, measured: LayerProfile) -> None:
    assert measured.chrome_trace is not None, "it was asked for"
    write_whole(path, measured.chrome_trace)
    _LOG.info("wrote %s", path)
