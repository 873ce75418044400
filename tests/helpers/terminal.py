"""Run a command in a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence

_LEFT_OUT = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")


class Terminal:
    """A command in a terminal of 40 lines, and what it has shown so far.

    Its errors go to the terminal, and so does standard output if it is not `piped`: `output` then has it in the end.
    """

    def __init__(self, command: Sequence[str], *, columns: int = 80, piped: bool = False, **variables: str) -> None:
        self.shown = self.output = ""
        self._ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
        self.process = subprocess.Popen(
            command, stdin=its, stdout=subprocess.PIPE if piped else its, stderr=its,
            env={**environment, "TERM": "xterm", **variables},
        )  # fmt: skip
        os.close(its)

    def read(self, until: str | None = None, timeout_s: float = 60.0) -> None:
        """Read what is shown until a text is, or to the end."""
        end = time.monotonic() + timeout_s
        while until is None or until not in self.shown:
            assert time.monotonic() < end, f"not within {timeout_s:.0f} s; shown was {self.shown!r}"
            if not select.select([self._ours], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # as a terminal says that nobody writes any more
                return
            self.shown += data.decode().replace("\r\n", "\n")

    def end(self) -> int:
        """Read the rest, wait for the end and return the exit code."""
        self.read()
        os.close(self._ours)
        if self.process.stdout is not None:
            self.output = self.process.stdout.read().decode()
            self.process.stdout.close()
        return self.process.wait(timeout=60)


def shown_in_terminal(command: Sequence[str], *, columns: int = 80, **variables: str) -> str:
    """Return what a command that succeeds shows in a terminal."""
    terminal = Terminal(command, columns=columns, **variables)
    assert terminal.end() == 0, terminal.shown
    return terminal.shown
