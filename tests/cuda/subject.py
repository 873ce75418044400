"""What the checks measure: small on a CPU, large enough to keep a GPU busy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from archbench.host.machine import Kind, machine
from archbench.measure.bench.session import measure_configuration
from archbench.measure.bench.sweep import configurations
from archbench.measure.worker.request import RunOptions
from archbench.store.records import Configuration, Result

MODEL = {"cuda": "alexnet_owt", "cpu": "lenet"}
BATCH = {"cuda": 128, "cpu": 2}
SECONDS = {"cuda": 1.0, "cpu": 0.05}
# Kernels of a GPU do not use them.
THREADS = {"cuda": None, "cpu": 1}


def measured(kind: Kind, **options) -> Result:
    """Return one measurement, which must give a rate."""
    limits = RunOptions(max_seconds=SECONDS[kind])
    result = measure_configuration(configuration(kind, **options), limits, machine(), lambda phase: None)
    assert result.status in ("ok", "not_converged"), f"{result.status}: {result.reason}"
    assert result.images_per_s > 0
    assert result.samples_s
    assert result.latency_s_median > 0
    if kind == "cuda":
        assert 0 < result.peak_allocated_bytes <= result.peak_reserved_bytes
    return result


def configuration(kind: Kind, **options) -> Configuration:
    """Return the configuration of one measurement."""
    device = torch.cuda.get_device_name() if kind == "cuda" else "cpu"
    options = {"batches": [BATCH[kind]], "threads": THREADS[kind] or 0, **options}
    (only,) = configurations([MODEL[kind]], kind=kind, device=device, **options)
    return only


def show(**figures: float | str | None) -> None:
    """Print figures as one line of JSON, which `results/gpu.py` keeps."""
    short = {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in figures.items()}
    print(json.dumps(short))


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder that is removed at the end."""
    with TemporaryDirectory() as path:
        yield Path(path)
