"""Where a command's result goes, printed or written, in which format; and messages beside it."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO, get_type_hints

import typer

from archbench.errors import OutputError, UsageError
from archbench.reporting.export.formats import Format, format_of
from archbench.units import printable

if TYPE_CHECKING:
    from rich.console import Console

    from archbench.reporting.result import TableResult

# Styles of progress displays: colours that are visible on dark and on light backgrounds.
_STYLES = {
    "bar.complete": "green",
    "bar.finished": "green",
    "bar.pulse": "green",
    "bar.back": "dim",
    "progress.download": "none",
    "progress.elapsed": "none",
    "progress.remaining": "dim",
}

_FORMAT_HELP = "Default: by the ending of --output, else table."
_FORMATS = Annotated[Literal["table", "csv", "json", "markdown"] | None, typer.Option("--format", help=_FORMAT_HELP)]
_FORMATS_AND_LATEX = Annotated[Format | None, typer.Option("--format", help=_FORMAT_HELP)]
_OUTPUT = Annotated[
    Path | None,
    typer.Option("--output", metavar="PATH", help="Write to this file instead of printing; -: standard output."),
]
_CSV = Annotated[Path | None, typer.Option("--csv", metavar="PATH", help="Short for --format csv --output PATH.")]


_STDOUT = Path("/dev/stdout")
_STDOUT_NAMES = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


@dataclass(frozen=True, slots=True)
class Destination:
    """A format and a path, None for standard output."""

    format: Format
    path: Path | None

    def deliver(self, result: TableResult) -> None:
        """Print or write a result, and its caveats to standard error; with --quiet also the doubts below its table."""
        with results_on_stdout():
            if self.path is None:
                emit(result.render(self.format, stream=sys.stdout, notes=not is_quiet()))
            else:
                result.save(self.path, self.format, notes=not is_quiet())
        if self.path is not None:
            note(f"wrote {self.path}")
        for sentence in (*(result.to_table().doubts if is_quiet() else ()), *result.caveats):
            warn(sentence)


def is_stdout(path: Path | None) -> bool:
    """Return whether a path stands for standard output."""
    return str(path) in _STDOUT_NAMES


def picture_format(path: Path, format: Any) -> Any:
    """Return the format of a picture, for standard output SVG by default, else None: that of the path's ending."""
    return "svg" if format is None and is_stdout(path) else format


def save_file(path: Path, save: Callable[[Path], None]) -> None:
    """Have `save` write a file and print its path, or have it write to standard output."""
    if is_stdout(path):
        with results_on_stdout():
            save(_STDOUT)
        return
    save(path)
    note(f"wrote {path}")


class ReaderLeftError(Exception):
    """The reader closed the pipe."""


def output_options(command: Callable[..., None] | None = None, *, has_latex: bool = False) -> Callable[..., Any]:
    """Add --format, --output and --csv to a command, which receives them as one `target`: a Destination."""
    if command is None:
        return functools.partial(output_options, has_latex=has_latex)

    @functools.wraps(command)
    def with_output(*values: Any, format: Format | None, output: Path | None, csv: Path | None, **named: Any) -> None:
        allowed: tuple[Format, ...] = ("table", "csv", "json", "markdown", *(("latex",) if has_latex else ()))
        command(*values, target=destination(format, output, csv, allowed), **named)

    added = {"format": _FORMATS_AND_LATEX if has_latex else _FORMATS, "output": _OUTPUT, "csv": _CSV}
    hints = {**get_type_hints(command, include_extras=True), **added}
    del hints["target"]
    parameters = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "target"
    ]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
        for name, hint in added.items()
    ]
    with_output.__annotations__ = hints
    with_output.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect
    return with_output


def destination(
    format: Format | None, output: Path | None, csv: Path | None, allowed: tuple[Format, ...]
) -> Destination:
    """Return where the options send the result. Raises UsageError if they contradict each other."""
    if csv is not None:
        if output is not None or format not in (None, "csv"):
            raise UsageError(f"--csv {csv} is short for --format csv --output {csv}; leave the others out")
        return Destination("csv", None if is_stdout(csv) else csv)
    if is_stdout(output):
        output = None
    if format is None and output is not None:
        return Destination(format_of(output, allowed), output)
    return Destination(format or "table", output)


class _Stdout:
    """Standard output while a command runs, set apart for results; `descriptor` is None if only `sys.stdout` is."""

    stream: TextIO | None = None
    descriptor: int | None = None
    is_in_place = True


@contextmanager
def results_apart() -> Iterator[None]:
    """Send to standard error what is printed in a block, also by subprocesses and with `os.write`; not the results."""
    if sys.stdout is None or sys.stderr is None or _Stdout.stream is not None:
        yield
        return
    _Stdout.stream, _Stdout.descriptor = sys.stdout, _copy_of_stdout()
    try:
        _send_stdout_to_stderr()
        yield
    finally:
        _restore_stdout()
        if _Stdout.descriptor is not None:
            os.close(_Stdout.descriptor)
        _Stdout.stream = _Stdout.descriptor = None


@contextmanager
def results_on_stdout() -> Iterator[None]:
    """Have standard output in its place within a block that writes results."""
    if _Stdout.stream is None or _Stdout.is_in_place:
        yield
        return
    _restore_stdout()
    try:
        yield
    finally:
        _send_stdout_to_stderr()


def _copy_of_stdout() -> int | None:
    """Return a copy of the file descriptor of standard output, None if `sys.stdout` is something else."""
    try:
        return os.dup(1) if sys.stdout.fileno() == 1 and sys.stderr.fileno() == 2 else None
    except (OSError, ValueError):  # it has no descriptor
        return None


def _send_stdout_to_stderr() -> None:
    if _Stdout.descriptor is not None:
        _flush(sys.stdout)
        os.dup2(2, 1)
    sys.stdout = sys.stderr
    _Stdout.is_in_place = False


def _restore_stdout() -> None:
    """Have standard output where it was, even if a model has put something else in its place."""
    assert _Stdout.stream is not None, "called only while results are apart"
    if _Stdout.descriptor is not None and not _Stdout.is_in_place:
        # What a model left in the buffers of Python and of C belongs to standard error.
        _flush(_Stdout.stream)
        _flush(sys.__stdout__)
        _flush_c()
        os.dup2(_Stdout.descriptor, 1)
    sys.stdout = _Stdout.stream
    _Stdout.is_in_place = True


def _flush(stream: TextIO | None) -> None:
    with suppress(OSError, ValueError):  # closed, or nothing to write to
        if stream is not None:
            stream.flush()


def _flush_c() -> None:
    if sys.platform != "win32":
        import ctypes

        ctypes.CDLL(None).fflush(None)


class _Verbosity:
    """Whether the running command was asked to be quiet."""

    is_quiet = False


def be_quiet(is_quiet: bool = True) -> None:
    """Print no notes and show no progress from now on, or do so again."""
    _Verbosity.is_quiet = is_quiet


def is_quiet() -> bool:
    """Return whether notes and progress are unwanted."""
    return _Verbosity.is_quiet


def note(text: str) -> None:
    """Print a message that is not part of the result to standard error, unless --quiet was given."""
    if not is_quiet():
        warn(text)


def warn(text: str) -> None:
    """Print an error, or a reason to doubt a number, to standard error."""
    if sys.stderr is None:  # print would use standard output, where the results are
        return
    try:
        print(printable(text), file=sys.stderr, flush=True)
    except OSError:  # a closed standard error does not stop the work
        _abandon(sys.stderr)


def screen() -> Console | None:
    """Return a console for progress displays on standard error; None if it is not a terminal or --quiet was given."""
    if is_quiet() or sys.stderr is None or not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.theme import Theme

    console = Console(stderr=True, theme=Theme(_STYLES))
    return None if console.is_dumb_terminal else console


def emit(text: str) -> None:
    """Write a whole text to standard output. Raises ReaderLeftError or OutputError."""
    with results_on_stdout():
        _write(text)


def _write(text: str) -> None:
    if sys.stdout is None:
        raise OutputError("cannot write to standard output: it is closed")
    try:
        sys.stdout.write(printable(text, has_styles=True) if sys.stdout.isatty() else text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        _abandon(sys.stdout)
        raise ReaderLeftError from error
    except OSError as error:
        _abandon(sys.stdout)
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def _abandon(stream: TextIO) -> None:
    """Redirect what is left in the buffer to nowhere, so that it does not raise again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    if stream is _Stdout.stream and _Stdout.descriptor is not None:
        os.dup2(nowhere, _Stdout.descriptor)
    os.close(nowhere)
