"""Which machine this is, and which of its devices would be measured, without touching any of them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

from archbench.errors import DeviceError
from archbench.host.cpu import cpu_name
from archbench.host.exit_reason import reason

KINDS = ("cpu", "cuda", "mps")

_TELL_GPU = "import torch; print(torch.cuda.get_device_name())"


def machine() -> str:
    """Return the name under which this machine's results are kept."""
    return platform.node() or "unknown"


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_kind() -> str:
    """Return the kind of device to measure where nothing is said: a GPU if there is one."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _gpu_name() -> str:
    done = subprocess.run([sys.executable, "-c", _TELL_GPU], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeviceError(f"the GPU does not tell its name: {reason(done.returncode, done.stderr)}")
    return done.stdout.strip()


def device_name(kind: str) -> str:
    """Return a device's own name. Raises DeviceError for one that this machine does not have.

    A GPU is asked in a process that ends: to ask CUDA here would take memory from what is then measured.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[kind]:
        raise DeviceError(f"this machine has no {kind}; it has {', '.join(name for name in KINDS if there[name])}")
    if kind == "cuda":
        return _gpu_name()
    return platform.processor() if kind == "mps" else cpu_name()
