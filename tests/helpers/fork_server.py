"""Start the Python processes of tests as forks of one that has imported torch.

Most tests that start `archbench` need a process of its own, but not one that imports torch again, which takes 2 seconds
of CPU time, and torchvision another 2. Within `forked_processes()`, in which `tests/conftest.py` runs the session,
`subprocess.Popen` and all that is built on it (`subprocess.run`, the workers of `archbench bench`) start

    python -m MODULE ..., python -c CODE ..., python FILE ..., archbench ...

as forks of a server. A test does nothing for it: it writes `subprocess.run([sys.executable, "-m", "archbench", ...])`
and gets a child of its own with a pid, pipes, a working directory, an environment, signals and an exit code.

A new interpreter is started as ever where the difference could be seen: for interpreter options such as `-X
importtime`; for an environment that an interpreter or OpenMP reads at its start (`PYTHONPATH`, `OMP_NUM_THREADS`); for
`preexec_fn`; for what a shell starts; and in tests that take the fixture `new_interpreters`: those of what is imported,
and one of each kind that shows that all works in a new process. A fork's command line and environment, as `psutil`
reads them, are those of the server; its name is that of its module or script.

How it works: the server forks twice, and the process between the two ends at once. Its child then belongs to the
nearest ancestor that takes orphans in ("subreaper"), which is the process of the tests, that can wait for it. A fork
that starts processes itself has a server of its own, forked before anything else is done, which has no threads.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.helpers.main_program import Program, become, place_streams, program_of

ROOT = Path(__file__).parents[2]
SCRIPT = str(Path(sys.executable).with_name("archbench"))
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "OMP_", "MKL_")
_PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 15, 36
_LONGEST_REQUEST = 1 << 18
_HELD_BACK = {signal.SIGINT, signal.SIGTERM}
# What commands import when they need it.
_PRELOADED = (
    "torch", "torchvision", "pandas", "scipy.stats", "sklearn.datasets", "altair", "jinja2", "vl_convert", "cli.main",
    "cli.progress.train", "zoo.vgg", "zoo.alexnet", "zoo.lenet", "archbench.api.bench", "archbench.api.profile",
    "archbench.api.train", "archbench.measure.bench.runner", "archbench.measure.worker.step",
    "archbench.reporting.charts.training", "archbench.reporting.run_pictures", "archbench.training.run",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """A process to be started: its program, where it runs, and its standard streams, -1 for one that is closed."""

    program: Program
    cwd: str
    environment: dict[str, str]
    streams: tuple[int, ...]
    new_session: bool


@contextmanager
def forked_processes() -> Iterator[None]:
    """Start Python processes as forks within this block, where the system can."""
    if sys.platform != "linux" or _set_process(_PR_SET_CHILD_SUBREAPER, 1):
        yield
        return
    server = _Server(_new_server)
    _start_by(server)
    try:
        yield
    finally:
        _start_by(None)
        server.close()


@contextmanager
def new_interpreters() -> Iterator[None]:
    """Start new interpreters within this block."""
    before = subprocess.Popen._execute_child  # type: ignore[attr-defined]
    _start_by(None)
    try:
        yield
    finally:
        subprocess.Popen._execute_child = before  # type: ignore[attr-defined]


class _Server:
    """A process that has imported what commands import and is forked for each request."""

    def __init__(self, begin: Callable[[socket.socket], subprocess.Popen[bytes] | None]) -> None:
        self._begin = begin
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None

    def start(self, request: Request) -> int:
        """Return the pid of a new process, which is a child of this one."""
        text = json.dumps({**asdict(request), "streams": [fd >= 0 for fd in request.streams]})
        with self._lock:
            if self._connection is None:
                self.begin()
            assert self._connection is not None
            socket.send_fds(self._connection, [text.encode()], [fd for fd in request.streams if fd >= 0])
            return int(self._connection.recv(_LONGEST_REQUEST))

    def begin(self) -> None:
        """Start the server."""
        self._connection, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = self._begin(its)

    def close(self) -> None:
        """End the server; what it has started goes on."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.wait()


def _new_server(its: socket.socket) -> subprocess.Popen[bytes]:
    """Start a server that imports what commands import."""
    command = [sys.executable, "-m", __name__, str(its.fileno())]
    return subprocess.Popen(command, cwd=ROOT, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)


def _forked_server(its: socket.socket) -> None:
    """Fork a server, which has nothing of this process's streams."""
    _set_process(_PR_SET_CHILD_SUBREAPER, 1)
    if os.fork() == 0:
        place_streams((-1, -1, -1), keep=its.fileno())
        _serve(its)


def _serve(connection: socket.socket) -> NoReturn:
    """Fork for each request until no more can come, and end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    while True:
        text, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_REQUEST, 3)
        if not text:
            os._exit(0)
        values, given = json.loads(text), iter(descriptors)
        values["streams"] = tuple(next(given) if is_open else -1 for is_open in values["streams"])
        request = Request(**{**values, "program": Program(**values["program"])})
        connection.send(str(_fork_orphan(request)).encode())
        for descriptor in descriptors:
            os.close(descriptor)


def _fork_orphan(request: Request) -> int:
    """Return the pid of a fork that is a child of the process that takes orphans in."""
    reading, writing = os.pipe()
    between = os.fork()
    if between == 0:
        between = os.getpid()
        pid = os.fork()
        if pid == 0:
            while os.getppid() == between:
                time.sleep(0.0005)
            _become(request)
        os.write(writing, str(pid).encode())
        os._exit(0)
    os.waitpid(between, 0)
    with os.fdopen(reading) as file:
        os.close(writing)
        return int(file.read())


def _become(request: Request) -> NoReturn:
    """Become the process that is asked for, in a fork."""
    place_streams(request.streams)
    server = _Server(_forked_server)
    _start_by(server)
    if request.program.flag != "-c":
        server.begin()
        _set_process(_PR_SET_NAME, request.program.name.encode())
    become(request.program, request.cwd, request.environment, request.new_session)


_start_interpreter = subprocess.Popen._execute_child  # type: ignore[attr-defined]


def _start_by(server: _Server | None) -> None:
    """Have `subprocess` start what can be forked by a server."""

    def execute_child(
        self: Any, args: Any, executable: Any, preexec_fn: Any, close_fds: bool, pass_fds: Any, cwd: Any, env: Any,
        startupinfo: Any, creationflags: Any, shell: bool, *rest: Any,
    ) -> None:  # fmt: skip
        pipes, (_, gid, gids, uid, umask, new_session, group) = rest[:6], rest[6:]
        is_plain = (executable, preexec_fn, gid, gids, uid, umask, group) == (None, None, None, None, None, -1, -1)
        request = _request(args, cwd, env, pipes, new_session) if is_plain and not (shell or pass_fds) else None
        if request is None:
            _start_interpreter(
                self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
                *rest,
            )  # fmt: skip
            return
        assert server is not None
        self.pid = server.start(request)
        self._child_created = True
        self._close_pipe_fds(*pipes)

    subprocess.Popen._execute_child = _start_interpreter if server is None else execute_child  # type: ignore[attr-defined]


def _request(args: Any, cwd: Any, env: Any, pipes: tuple[int, ...], new_session: bool) -> Request | None:
    """Return the request for what a command starts, or None if that must be a new interpreter."""
    command = [os.fspath(part) for part in args] if isinstance(args, (list, tuple)) else [args]
    environment = dict(os.environ if env is None else env)
    if command[0] == SCRIPT:
        command = [sys.executable, *command]
    if command[0] != sys.executable or _read_at_start(environment) != _read_at_start(os.environ):
        return None
    program = program_of(command)
    if program is None:
        return None
    streams = (given if given >= 0 else _own(number) for number, given in enumerate((pipes[0], pipes[3], pipes[5])))
    return Request(program, os.fspath(cwd or Path.cwd()), environment, tuple(streams), bool(new_session))


def _read_at_start(environment: Any) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}


def _own(number: int) -> int:
    """Return a standard stream of this process, which its child inherits; -1 if it is closed."""
    try:
        os.fstat(number)
    except OSError:
        return -1
    return number


def _set_process(what: int, value: int | bytes) -> int:
    """Set a property of this process; return 0 if the system can."""
    return int(ctypes.CDLL(None).prctl(what, value, 0, 0, 0))


def main() -> None:
    """Import what commands import and serve."""
    gc.disable()
    for module in _PRELOADED:
        importlib.import_module(module)
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
