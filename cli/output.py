"""Where a command's result goes, printed or written, in the format asked for; and what is said beside it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from archbench.errors import OutputError, UsageError, nearest
from cli.options import Format

if TYPE_CHECKING:
    from rich.console import Console

    from archbench.reporting.table import Table

_ENDINGS = {
    ".csv": Format.csv,
    ".json": Format.json,
    ".md": Format.markdown,
    ".markdown": Format.markdown,
    ".txt": Format.table,
}
_FILE_WIDTH = 160

# Of what moves while work is done: colours that are seen on dark and on light ground.
_STYLES = {
    "bar.complete": "green",
    "bar.finished": "green",
    "bar.pulse": "green",
    "bar.back": "dim",
    "progress.download": "none",
    "progress.elapsed": "none",
    "progress.remaining": "dim",
}


@dataclass(frozen=True, slots=True)
class Destination:
    """A format and a path, None for standard output."""

    format: Format
    path: Path | None

    def deliver(self, table: Table, document: Any = None) -> None:
        """Print or write the table; as JSON `document` is written instead, where there is one."""
        self.deliver_text(_render(self.format, table, document, sys.stdout if self.path is None else None))
        for caveat in table.caveats:
            warn(caveat)

    def deliver_text(self, text: str) -> None:
        """Print or write a text that is in the format already."""
        if self.path is None:
            emit(text)
        else:
            from archbench.files import write_whole

            write_whole(self.path, text)
            note(f"wrote {self.path}")


class ReaderLeftError(Exception):
    """Whoever read standard output has seen enough."""


def destination(format: Format | None, output: Path | None, csv: Path | None) -> Destination:
    """Return where the options say the result goes. Raises UsageError if they contradict each other."""
    if csv is not None:
        if output is not None or format not in (None, Format.csv):
            raise UsageError(f"--csv {csv} is short for --format csv --output {csv}; leave the others out")
        return Destination(Format.csv, csv)
    if format is None and output is not None:
        ending = output.suffix.lower()
        if ending not in _ENDINGS:
            hint = nearest(ending, _ENDINGS) if ending else ""
            endings = ", ".join(_ENDINGS)
            raise UsageError(f"--output {output} has none of the endings {endings}{hint or '; name a --format'}")
        return Destination(_ENDINGS[ending], output)
    return Destination(format or Format.table, output)


class _Voice:
    """Whether the command that runs was asked to be quiet."""

    is_quiet = False


def be_quiet(is_quiet: bool = True) -> None:
    """Say no notes and show no progress from now on, or do so again."""
    _Voice.is_quiet = is_quiet


def is_quiet() -> bool:
    """Return whether notes and progress are unwanted."""
    return _Voice.is_quiet


def note(text: str) -> None:
    """Say on standard error what is no part of the result, and can be done without: --quiet does."""
    if not is_quiet():
        warn(text)


def warn(text: str) -> None:
    """Say on standard error what must be known: an error, or what makes a number doubtful."""
    if sys.stderr is None:  # where print would take standard output, among the results
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # nobody listens, which is no reason not to work
        _abandon(sys.stderr)


def screen() -> Console | None:
    """Return where progress is drawn: standard error, if it is a terminal that can draw over what it shows.

    None where it is not, or is to be quiet.
    """
    if is_quiet() or sys.stderr is None or not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.theme import Theme

    console = Console(stderr=True, theme=Theme(_STYLES))
    return None if console.is_dumb_terminal else console


def _render(format: Format, table: Table, document: Any, stream: IO[str] | None) -> str:
    if format is Format.csv:
        from archbench.reporting.export.csv import to_csv

        return to_csv(table)
    if format is Format.json:
        from archbench.reporting.export.json import to_json

        return to_json(table if document is None else document)
    if format is Format.markdown:
        from archbench.reporting.export.markdown import to_markdown

        return to_markdown(table)
    from archbench.reporting.export.text import to_text

    return to_text(table, stream=stream, width=None if stream else _FILE_WIDTH)


def emit(text: str) -> None:
    """Write a whole text to standard output. Raises ReaderLeftError or OutputError."""
    if sys.stdout is None:
        raise OutputError("cannot write to standard output: it is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        _abandon(sys.stdout)
        raise ReaderLeftError from error
    except OSError as error:
        _abandon(sys.stdout)
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def _abandon(stream: TextIO) -> None:
    """Send what is left in the buffer nowhere, so that it does not raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
