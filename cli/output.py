"""Where a command's result goes: printed or written, in the format asked for."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from archbench.errors import OutputError, UsageError, nearest
from cli.options import Format

if TYPE_CHECKING:
    from archbench.report.table import Table

_ENDINGS = {
    ".csv": Format.csv,
    ".json": Format.json,
    ".md": Format.markdown,
    ".markdown": Format.markdown,
    ".txt": Format.table,
}
_FILE_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Destination:
    """A format and a path, None for standard output."""

    format: Format
    path: Path | None

    def deliver(self, table: Table, document: Any = None) -> None:
        """Print or write the table; as JSON `document` is written instead, where there is one."""
        self.deliver_text(_render(self.format, table, document, sys.stdout if self.path is None else None))
        for caveat in table.caveats:
            note(caveat)

    def deliver_text(self, text: str) -> None:
        """Print or write a text that is in the format already."""
        if self.path is None:
            _emit(text)
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
        if output.suffix not in _ENDINGS:
            hint = nearest(output.suffix, _ENDINGS) if output.suffix else ""
            endings = ", ".join(_ENDINGS)
            raise UsageError(f"--output {output} has none of the endings {endings}{hint or '; name a --format'}")
        return Destination(_ENDINGS[output.suffix], output)
    return Destination(format or Format.table, output)


def note(text: str) -> None:
    """Say something that is not the result, on standard error."""
    print(text, file=sys.stderr)


def _render(format: Format, table: Table, document: Any, stream: IO[str] | None) -> str:
    if format is Format.csv:
        from archbench.report.csv import to_csv

        return to_csv(table)
    if format is Format.json:
        from archbench.report.json import to_json

        return to_json(table if document is None else document)
    if format is Format.markdown:
        from archbench.report.markdown import to_markdown

        return to_markdown(table)
    from archbench.report.text import to_text

    return to_text(table, stream=stream, width=None if stream else _FILE_WIDTH)


def _emit(text: str) -> None:
    """Write a whole result to standard output. Raises ReaderLeftError or OutputError."""
    if sys.stdout is None:
        raise OutputError("cannot write to standard output: it is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        _abandon_output()
        raise ReaderLeftError from error
    except OSError as error:
        _abandon_output()
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def _abandon_output() -> None:
    """Send what is left in the buffer nowhere, so that it does not raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
