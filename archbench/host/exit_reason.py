"""Describe in one line how a process ended."""

from __future__ import annotations

import signal


def reason(code: int, errors: str) -> str:
    """Return in one line how a process ended, from its exit code and its standard error."""
    if code < 0:
        killed = " (the system may have run out of memory)" if -code == signal.SIGKILL else ""
        return f"the process was ended by {signal.Signals(-code).name}{killed}"
    lines = [line for line in errors.splitlines() if line.strip()]
    return lines[-1].strip().removeprefix("archbench.errors.") if lines else f"the process ended with code {code}"
