"""`python -m archbench.measure.worker.fork_server`: import torch, then fork a worker process for each request.

The socket on standard input brings a request as four descriptors: the worker's standard streams and a socket, on which
the server sends the worker's id with a descriptor of its process, and at the end its exit code. The server computes
nothing: a fork of a process that has used OpenMP waits for ever for threads that it does not have.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from pathlib import Path

from archbench.host.parent import end_with
from archbench.measure.worker.fork_protocol import MESSAGE_BYTES, READY

_NUM_DESCRIPTORS = 4


def main() -> None:
    """Serve until the socket or the parent process ends; in a fork, carry out one request."""
    end_with(os.getppid(), signal.SIGKILL)
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # workers alone are interrupted
    connection = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    from archbench.measure.worker import server  # imports torch, which takes seconds

    if _num_threads_between_forks() > 1:
        sys.exit("a fork would not have the threads that imports have started")
    connection.send(READY)
    if _serve(connection):
        signal.signal(signal.SIGINT, on_interrupt)
        server.main("warm")


def _num_threads_between_forks() -> int:
    """Return the number of threads after a first fork: OpenBLAS, which NumPy loads, ends its own at a fork."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return len(list(Path("/proc/self/task").iterdir()))


def _serve(connection: socket.socket) -> bool:
    """Fork for each request; return True in a fork, False once no more can come."""
    workers: dict[int, tuple[int, socket.socket]] = {}  # by the descriptor of the process
    while True:
        readable, _, _ = select.select([connection.fileno(), *workers], [], [])
        for process in workers.keys() & readable:
            _report_end(process, *workers.pop(process))
        if connection.fileno() not in readable:
            continue
        request, descriptors, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, _NUM_DESCRIPTORS)
        if not request:
            return False
        *streams, status = descriptors
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            end_with(parent, signal.SIGKILL)
            _place(streams, [connection.detach(), status, *workers, *(each.detach() for _, each in workers.values())])
            return True
        for stream in streams:
            os.close(stream)
        process, channel = os.pidfd_open(pid), socket.socket(fileno=status)
        workers[process] = (pid, channel)
        _send(channel, str(pid), [process])


def _place(streams: list[int], others: list[int]) -> None:
    """Make descriptors the standard streams of this process, and close others."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for descriptor in (*streams, *others):
        os.close(descriptor)


def _report_end(process: int, pid: int, channel: socket.socket) -> None:
    """Send the exit code of a worker that has ended, negative for a signal."""
    _, status = os.waitpid(pid, 0)
    os.close(process)
    with channel:
        _send(channel, str(os.waitstatus_to_exitcode(status)))


def _send(channel: socket.socket, text: str, descriptors: list[int] | None = None) -> None:
    try:
        socket.send_fds(channel, [text.encode()], descriptors or [])
    except OSError:  # the client no longer wants to know
        return


if __name__ == "__main__":
    main()
