"""Run a Python program in a fork of this process as a new interpreter would run it."""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import io
import os
import runpy
import signal
import sys
import threading
import traceback
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NoReturn

# How an interpreter opens its streams, which depends on the environment it was started in.
_STREAMS = [(stream.encoding, stream.errors) for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__)]
_IS_UNBUFFERED = bool(os.environ.get("PYTHONUNBUFFERED"))
_FREE_FROM = 64


@dataclass(frozen=True, slots=True)
class Program:
    """What an interpreter is given: a module (`-m`), code (`-c`) or a file, and the arguments behind it."""

    flag: str
    target: str
    arguments: tuple[str, ...]
    is_unbuffered: bool = False

    @property
    def name(self) -> str:
        """The last part of the module's or file's name."""
        return Path(self.target).stem.rpartition(".")[2]

    def run(self) -> None:
        """Run the program as `__main__`."""
        if self.flag == "-m":
            sys.path[0] = str(Path.cwd())
            sys.argv = ["-m", *self.arguments]
            runpy.run_module(self.target, run_name="__main__", alter_sys=True)
        elif self.flag == "-c":
            sys.path[0] = ""
            sys.argv = ["-c", *self.arguments]
            main = sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(self.target, "<string>", "exec"), main.__dict__)
        else:
            sys.path[0] = str(Path(self.target).resolve().parent)
            sys.argv = [self.target, *self.arguments]
            runpy.run_path(self.target, run_name="__main__")


def program_of(command: Sequence[str]) -> Program | None:
    """Return the program that an interpreter is started for, or None if other options are given, too."""
    rest = list(command[1:])
    if is_unbuffered := rest[:1] == ["-u"]:
        del rest[0]
    if len(rest) > 1 and rest[0] in ("-m", "-c"):
        return Program(rest[0], rest[1], tuple(rest[2:]), is_unbuffered)
    if rest and not rest[0].startswith("-"):
        return Program("", rest[0], tuple(rest[1:]), is_unbuffered)
    return None


def place_streams(streams: Sequence[int], *, keep: int = -1) -> None:
    """Make descriptors the standard streams, -1 being a closed one, and close all others but `keep`."""
    held = [fd if fd < 0 else fcntl.fcntl(fd, fcntl.F_DUPFD, _FREE_FROM) for fd in streams]
    for number, fd in enumerate(held):
        if fd < 0:
            os.closerange(number, number + 1)
        else:
            os.dup2(fd, number)
    last = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, max(keep, 3))
    os.closerange(max(keep + 1, 3), last)


def become(program: Program, cwd: str, environment: dict[str, str], new_session: bool) -> NoReturn:
    """Run the program in this fork, whose standard streams are the program's, and end the process."""
    code = 1
    try:
        _forget_the_parent()
        if new_session:
            os.setsid()
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        _open_streams(program.is_unbuffered or _IS_UNBUFFERED)
        importlib.invalidate_caches()
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        code = _exit_code(program)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _forget_the_parent() -> None:
    """Take over nothing of the process that was forked: garbage, what it does at its end, handlers of signals."""
    gc.enable()
    gc.freeze()
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as in the background of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _open_streams(is_unbuffered: bool) -> None:
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        encoding, errors = _STREAMS[number]
        try:
            buffering = 0 if is_unbuffered and number else -1
            raw = open(number, "wb" if number else "rb", buffering, closefd=False)  # noqa: SIM115  # open to the end
        except OSError:  # it is closed
            stream = None
        else:
            is_by_line = not is_unbuffered and (number == 2 or os.isatty(number))
            stream = io.TextIOWrapper(raw, encoding, errors, None, is_by_line, is_unbuffered and number > 0)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _exit_code(program: Program) -> int:
    """Run the program, do what an interpreter does at its end, and return its exit code."""
    code = 0
    try:
        program.run()
    except SystemExit as leaving:
        code = _code_of(leaving.code)
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = -signal.SIGINT
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    code = code if _is_flushed() else 120
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _code_of(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    sys.stderr.write(f"{value}\n")
    return 1


def _is_flushed() -> bool:
    """Say whether all that was written to standard output has gone there."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError as error:
            if stream is sys.stdout:
                sys.stderr.write(f"Exception ignored in: {stream!r}\n{type(error).__name__}: {error}\n")
                return False
    return True
