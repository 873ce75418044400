"""The name of this machine and of its devices, found without initialising a device in this process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import Literal, get_args

from archbench.errors import DeviceError
from archbench.host.cpu import cpu_name
from archbench.host.exit_reason import reason

Kind = Literal["cpu", "cuda", "mps"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_PRINT_GPU_NAME = "import torch; print(torch.cuda.get_device_name())"


def machine() -> str:
    """Return the name under which this machine's results are stored."""
    return platform.node() or "unknown"


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_kind() -> Kind:
    """Return the default kind of device: a GPU if there is one."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _gpu_name() -> str:
    done = subprocess.run([sys.executable, "-c", _PRINT_GPU_NAME], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeviceError(f"the GPU does not report its name: {reason(done.returncode, done.stderr)}")
    return done.stdout.strip()


def device_name(kind: Kind) -> str:
    """Return the name of this machine's device of a kind. Raises DeviceError if it has none.

    A GPU is queried in a process of its own, because initialising CUDA here would take memory from the measurement.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[kind]:
        raise DeviceError(f"this machine has no {kind}; it has {', '.join(name for name in KINDS if there[name])}")
    if kind == "cuda":
        return _gpu_name()
    return platform.processor() if kind == "mps" else cpu_name()
