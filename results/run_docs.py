"""Run every command that README.md and docs/ show, and put its output there; or see whether it is what stands there.

    python results/run_docs.py [--check]

A shown command is a line `$ archbench ...` in a fenced block; what follows up to the next one, or the end of the block,
is its output. A line `...` there stands for any lines, so that a long table may be cut: such a block is only compared.
A block that begins with `# varies` is left alone: it shows a measurement.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from archbench.files import write_whole
from cli.main import run

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```(?:text)?\n(\$ archbench .*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ archbench (.*)\n", re.MULTILINE)


def pages() -> list[Path]:
    """Return the pages that may show commands."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def refreshed(text: str) -> str:
    """Return a page with the output of each command as it is today."""
    return _BLOCK.sub(lambda block: f"```\n{''.join(_lines(block[1]))}```", text)


def _lines(block: str) -> Iterator[str]:
    """Yield each command of a block with its output."""
    parts = _COMMAND.split(block)[1:]
    for command, shown in zip(parts[::2], parts[1::2], strict=True):
        real = output_of(command)
        yield f"$ archbench {command}\n"
        yield shown if "\n...\n" in f"\n{shown}" and _matches(shown, real) else real


def _matches(shown: str, real: str) -> bool:
    """Say whether real output is what is shown, a line `...` there being any lines."""
    pieces = [re.escape(piece) for piece in f"\n{shown}".split("\n...")]
    return re.fullmatch("(?:\n.*)*".join(pieces), f"\n{real}") is not None


def output_of(command: str) -> str:
    """Return what a command prints in 80 columns, on a machine where nothing was measured."""
    stream = io.StringIO()
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as empty, contextlib.redirect_stdout(stream):
        os.environ.update(COLUMNS="80", XDG_DATA_HOME=empty)
        try:
            code = run(shlex.split(command))
        finally:
            os.environ.clear()
            os.environ.update(before)
    if code not in (0, 1):
        sys.exit(f"archbench {command}: exit code {code}")
    return stream.getvalue()


def main() -> None:
    """Rewrite the pages, or exit with 1 if one is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        today = refreshed(text)
        if today != text:
            stale.append(page.name)
            if not check:
                write_whole(page, today)
    print(f"{'stale' if check else 'rewritten'}: {', '.join(stale) or 'none'}")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
