"""Models that do what no model should, for `benchmarks/torture.py`: each forward harms its process in one way."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn


class UnprintableError(Exception):
    """An error without a message."""

    def __str__(self) -> str:
        raise RuntimeError("no message")


class Hostile(nn.Module):
    """A linear layer, after something else."""

    def __init__(self, harm: Callable[[], object]) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self._harm = harm

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the layer's output."""
        self._harm()
        output: Tensor = self.linear(inputs)
        return output


def example_inputs(batch: int) -> Tensor:
    """Return the usual input."""
    return torch.randn(batch, 4)


def _raise(error: BaseException) -> None:
    raise error


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _endless_thread() -> None:
    threading.Thread(target=lambda: time.sleep(3600), daemon=True).start()


def _recurse() -> None:
    _recurse()


def _print() -> None:
    print("printed", "\x1b]0;title\x07")
    os.write(1, b"written\n")


def _ignore_signals() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _break_torch() -> None:
    torch.relu = torch.empty = torch.set_num_threads = None  # type: ignore[assignment]  # that is the harm


HARMS: dict[str, Callable[[], object]] = {
    "os_exit": lambda: os._exit(9),
    "abort": os.abort,
    "segfault": lambda: ctypes.string_at(0),
    "keyboard_interrupt": lambda: _raise(KeyboardInterrupt()),
    "system_exit": lambda: sys.exit("bye"),
    "generator_exit": lambda: _raise(GeneratorExit()),
    "unprintable": lambda: _raise(UnprintableError()),
    "long_message": lambda: _raise(ValueError("x\n" * 100_000)),
    "recursion": _recurse,
    "memory_error": lambda: bytearray(2**62),
    "fork": _fork,
    "endless_thread": _endless_thread,
    "prints": _print,
    "closes_stdout": lambda: os.close(1),
    "no_stdout": lambda: setattr(sys, "stdout", None),
    "no_stderr": lambda: setattr(sys, "stderr", None),
    "changes_directory": lambda: os.chdir("/"),
    "ignores_signals": _ignore_signals,
    "breaks_torch": _break_torch,
    "default_dtype": lambda: torch.set_default_dtype(torch.float64),
    "no_output": lambda: _raise(StopIteration()),
}


def hostile(harm: str) -> nn.Module:
    """Return the model with one harm."""
    return Hostile(HARMS[harm])


def deep(depth: int) -> nn.Module:
    """Return modules nested in each other."""
    model: nn.Module = nn.Linear(4, 4)
    for _ in range(depth):
        model = nn.Sequential(model)
    return model


def wide(layers: int) -> nn.Module:
    """Return many layers."""
    return nn.Sequential(*(nn.Linear(4, 4) for _ in range(layers)))
