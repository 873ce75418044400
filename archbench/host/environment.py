"""Record everything outside a configuration that its numbers depend on.

Unknown values are None and nothing here raises, so that a driver that does not answer does not cost a measurement.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch

from archbench.host.cpu import cpu_name
from archbench.units import format_bytes, format_float

# Variables of CUDA and its libraries, of torch and its compiler, and of thread pools and allocators.
_PREFIXES = (
    *(
        "CUDA_",
        "CUDNN_",
        "CUBLAS_",
        "CUBLASLT_",
        "NVIDIA_TF32_OVERRIDE",
        "PYTORCH_",
        "TORCH_",
        "TORCHINDUCTOR_",
        "TRITON_",
    ),
    *("ATEN_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "ONEDNN_", "DNNL_", "MALLOC_", "LD_PRELOAD"),
)
# The place of a compiler's cache does not affect times, and a sweep sets it.
_PLACES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
# Records may be published.
_SECRETS = ("TOKEN", "KEY", "SECRET", "PASSWORD")
_GIT_LIMIT_S = 5
# CUDA's context in this process and a desktop take less than this.
_OWN_BYTES = 2**31

T = TypeVar("T")


def environment(kind: str, seed: int | None = None) -> dict[str, Any]:
    """Return the record of this process, which measures on its current device of that kind.

    A GPU is recorded only if `kind` is cuda, because the query initialises CUDA. Units are bytes, watts, hertz and
    degrees Celsius.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "tool": _known(lambda: version("archbench")),
        "commit": _known(_commit),
        "python": platform.python_version(),
        "system": platform.platform(),
        "torch": str(torch.__version__),
        "torch_git": _known(lambda: str(torch.version.git_version)),
        "cuda": torch.version.cuda,
        "cudnn": _known(torch.backends.cudnn.version) if kind == "cuda" else None,
        "flags": _flags(),
        "variables": relevant_variables(os.environ),
        **_cpu(),
        **_gpu(kind),
    }


def relevant_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that may affect a time, without any that may hold a secret."""
    return {
        name: value
        for name, value in sorted(variables.items())
        if name.startswith(_PREFIXES) and name not in _PLACES and not any(word in name for word in _SECRETS)
    }


def load_warning(record: Mapping[str, Any]) -> str | None:
    """Return a warning if the load is above half the number of cores, else None."""
    load, cores = record.get("load_1min"), record.get("cpu_cores")
    if load is None or cores is None or load <= cores / 2:
        return None
    return f"load: {format_float(load)} on {cores} cores"


def shared_flags(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a flag if other processes use much of the GPU's memory at the start of this one."""
    free, total = record.get("gpu_free_bytes"), record.get("gpu_total_bytes")
    if free is None or total is None or total - free <= _OWN_BYTES:
        return ()
    return (f"shared: {format_bytes(total - free)} of the GPU's memory were in use before",)


def _known(query: Callable[[], T]) -> T | None:
    """Return the result of a query, None if it raises: drivers and libraries fail in many ways."""
    with suppress(Exception):
        return query()
    return None


def _flags() -> dict[str, Any]:
    """Return torch's global settings by their names in torch."""
    backends = torch.backends
    return {
        "cudnn.enabled": _known(lambda: backends.cudnn.enabled),
        "cudnn.benchmark": _known(lambda: backends.cudnn.benchmark),
        "cudnn.deterministic": _known(lambda: backends.cudnn.deterministic),
        "cudnn.allow_tf32": _known(lambda: backends.cudnn.allow_tf32),
        "matmul.allow_tf32": _known(lambda: backends.cuda.matmul.allow_tf32),
        "float32_matmul_precision": _known(torch.get_float32_matmul_precision),
        "mkldnn": _known(backends.mkldnn.is_available),
        "deterministic_algorithms": _known(torch.are_deterministic_algorithms_enabled),
        "anomaly": _known(torch.is_anomaly_enabled),
    }


def _cpu() -> dict[str, Any]:
    psutil = _known(lambda: import_module("psutil"))
    return {
        "cpu_name": _known(cpu_name),
        "cpu_cores": os.cpu_count(),
        "cpu_physical_cores": psutil and _known(lambda: psutil.cpu_count(logical=False)),
        "cpu_usable_cores": _known(lambda: len(os.sched_getaffinity(0))),
        "cpu_clock_hz": psutil and _known(lambda: psutil.cpu_freq().current * 1e6),
        "cpu_capability": _known(torch.backends.cpu.get_cpu_capability),
        "threads": _known(torch.get_num_threads),
        "interop_threads": _known(torch.get_num_interop_threads),
        "load_1min": _known(lambda: os.getloadavg()[0]),
        "memory_free_bytes": psutil and _known(lambda: int(psutil.virtual_memory().available)),
    }


def _gpu(kind: str) -> dict[str, Any]:
    """Return what torch and the driver report about the current GPU, matched by UUID: their orders may differ."""
    gpu = _known(lambda: torch.cuda.get_device_properties(torch.cuda.current_device())) if kind == "cuda" else None
    uuid = _known(lambda: f"GPU-{gpu.uuid}") if gpu else None
    memory = _known(torch.cuda.mem_get_info) if gpu else None
    return {
        "gpu_name": _known(lambda: str(gpu.name)) if gpu else None,
        "gpu_uuid": uuid,
        "gpu_free_bytes": memory and memory[0],
        "gpu_total_bytes": memory and memory[1],
        **_driver(uuid),
    }


def _driver(uuid: str | None) -> dict[str, Any]:
    nvml: Any = _known(lambda: import_module("pynvml")) if uuid else None
    handle = nvml and _known(lambda: _handle(nvml, uuid))

    def query(name: str, *arguments: Any, scale: float = 1.0) -> float | None:
        """Return a figure of the GPU in base units; the driver reports MHz and mW."""
        return _known(lambda: getattr(nvml, name)(handle, *arguments) * scale) if handle else None

    graphics, memory = (nvml.NVML_CLOCK_SM, nvml.NVML_CLOCK_MEM) if handle else (None, None)
    return {
        "driver": _known(lambda: str(nvml.nvmlSystemGetDriverVersion())) if handle else None,
        "gpu_power_limit_w": query("nvmlDeviceGetEnforcedPowerLimit", scale=1e-3),
        "gpu_clock_hz": query("nvmlDeviceGetClockInfo", graphics, scale=1e6),
        "gpu_clock_most_hz": query("nvmlDeviceGetMaxClockInfo", graphics, scale=1e6),
        "gpu_memory_clock_hz": query("nvmlDeviceGetClockInfo", memory, scale=1e6),
        "gpu_memory_clock_most_hz": query("nvmlDeviceGetMaxClockInfo", memory, scale=1e6),
        "gpu_temperature_c": query("nvmlDeviceGetTemperature", 0),
        "gpu_throttle_reasons": query("nvmlDeviceGetCurrentClocksEventReasons"),
    }


def _handle(nvml: Any, uuid: str | None) -> Any:
    nvml.nvmlInit()
    return nvml.nvmlDeviceGetHandleByUUID(uuid)


def _commit() -> str | None:
    """Return the commit of the tool's own files, with -dirty if they have changes; None outside a checkout."""
    folder = Path(__file__).parents[1]
    # An installed copy may lie within another repository.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    # Without a lock: another process may be committing.
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_GIT_LIMIT_S)
    return done.stdout.strip() if done.returncode == 0 else None
