"""Workers forked from a process that has imported torch, which takes each new interpreter seconds; only on Linux."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from contextvars import ContextVar
from typing import IO

from archbench.measure.worker.fork_protocol import MESSAGE_BYTES, READY
from archbench.models.user_context import import_variables

_MODULE = "archbench.measure.worker.fork_server"
# Importing torch from a network drive takes minutes; without a server, workers are new interpreters.
_START_S = 300.0


class ForkedProcess:
    """A worker that is a child of the server, with the methods of `subprocess.Popen` that its client uses."""

    def __init__(self, pid: int, process: int, status: socket.socket, stdin: IO[str], stdout: IO[str]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self._process = process
        self._status = status
        self._code: int | None = None

    def __enter__(self) -> ForkedProcess:
        return self

    def __exit__(self, *_error: object) -> None:
        with closing(self._status), closing(self.stdout), closing(self.stdin):
            os.close(self._process)

    def kill(self) -> None:
        """Kill the process, if it has not ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def wait(self) -> int:
        """Return the exit code; if the server was killed, so was the process."""
        if self._code is None:
            self._code = int(self._status.recv(MESSAGE_BYTES) or -signal.SIGKILL)
        return self._code


class ForkServer:
    """The client of the server, which starts with the first worker; use it within `closing`."""

    def __init__(self) -> None:
        self._connection, self._its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, errors: IO[str]) -> ForkedProcess | None:
        """Return a new worker, or None if the server cannot fork safely or has ended."""
        try:
            if self._process is None:
                self._start()
            return self._fork(errors)
        except OSError:  # the server has ended, or is silent
            return None

    def _start(self) -> None:
        """Start the server and wait until it has imported torch."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=self._its.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, **import_variables()},
        )  # fmt: skip
        self._its.close()
        self._connection.settimeout(_START_S)
        if self._connection.recv(MESSAGE_BYTES) != READY:
            raise ConnectionError

    def _fork(self, errors: IO[str]) -> ForkedProcess:
        with ExitStack() as ours, ExitStack() as its:
            status, its_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.enter_context(status), its.enter_context(its_status)
            (its_stdin, stdin), (stdout, its_stdout) = _pipe(its, ours), _pipe(ours, its)
            streams = [its_stdin.fileno(), its_stdout.fileno(), errors.fileno(), its_status.fileno()]
            socket.send_fds(self._connection, [b"fork"], streams)
            its.close()
            pid, (process,), _, _ = socket.recv_fds(status, MESSAGE_BYTES, 1)
            ours.pop_all()
            return ForkedProcess(int(pid), process, status, stdin, stdout)

    def close(self) -> None:
        """End the server."""
        self._connection.close()
        self._its.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


_SERVER: ContextVar[ForkServer | None] = ContextVar("server", default=None)


@contextmanager
def forked_workers() -> Iterator[None]:
    """Let the workers that are started within this block, and may be forked, be forks of one server."""
    if sys.platform != "linux":  # forks of a process with the frameworks of macOS crash
        yield
        return
    with closing(ForkServer()) as server:
        token = _SERVER.set(server)
        try:
            yield
        finally:
            _SERVER.reset(token)


def fork(errors: IO[str]) -> ForkedProcess | None:
    """Return a new worker, or None outside a block of `forked_workers` and where the server cannot fork safely."""
    server = _SERVER.get()
    return None if server is None else server.fork(errors)


def _pipe(reading: ExitStack, writing: ExitStack) -> tuple[IO[str], IO[str]]:
    """Return both ends of a pipe, each closed by its stack."""
    ends = os.pipe()
    return reading.enter_context(os.fdopen(ends[0])), writing.enter_context(os.fdopen(ends[1], "w"))
