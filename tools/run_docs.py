"""Run every command that README.md and docs/ show, and put its output there; or see whether it is what stands there.

    python tools/run_docs.py [--check]

A shown command is a line `$ archbench ...` in a fenced block; what follows up to the next one, or the end of the block,
is its output. A line `...` there stands for any lines, so that a long table may be cut: such a block is only compared.

- A block that begins with `# varies` shows a measurement: its commands are run, and their tables must have the same
  columns and as many rows (`tools/docs_shapes.py`).
- A block that begins with `# not run: WHY` is left alone. Its commands are parsed, as are those of an `sh` block.
- A block of any language that begins with `# name.ext` is a file, and lies where the page's commands are run; so does
  what is in `docs/examples`, and what the page's earlier commands wrote, measured or trained.
- The options of a command stand between two comments, as `tools/docs_options.py` writes them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from archbench.files import write_whole
from cli.main import run
from tools.docs_options import with_options
from tools.docs_shapes import is_alike

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(
    r"^```(?:text)?\n((?:# (?:varies|not run: )[^\n]*\n)?\$ archbench .*?)^```$", re.MULTILINE | re.DOTALL
)
_COMMAND = re.compile(r"^\$ archbench (.*)\n", re.MULTILINE)
_FILE = re.compile(r"^```\w+\n# ([\w-]+\.\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Return the pages that may show commands."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def refreshed(text: str) -> str:
    """Return a page with the options and the output of each command as they are today."""
    with _scratch(text):
        return _BLOCK.sub(lambda block: f"```\n{''.join(_lines(block[1]))}```", with_options(text))


def parsed_only(text: str) -> Iterator[str]:
    """Yield the commands that a page shows and that are not run."""
    for block in _BLOCK.findall(text):
        if block.startswith("# not run"):
            yield from _COMMAND.findall(block)
    for block in _SHELL.findall(text):
        yield from re.findall(r"^(?:\$ )?archbench (.*)$", block.replace("\\\n", ""), re.MULTILINE)


@contextlib.contextmanager
def _scratch(text: str) -> Iterator[None]:
    """Work in a folder with the page's files, in 80 columns, on a machine where nothing was measured."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copytree(ROOT / "docs" / "examples", folder, dirs_exist_ok=True)
        for name, content in _FILE.findall(text):
            Path(name).write_text(content, encoding="utf-8")
        os.environ.update(COLUMNS="80", XDG_DATA_HOME=f"{folder}/.data")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _lines(block: str) -> Iterator[str]:
    """Yield each command of a block with its output."""
    mark, *parts = _COMMAND.split(block)
    yield mark
    if mark.startswith("# not run"):
        yield block.removeprefix(mark)
        return
    for command, shown in zip(parts[::2], parts[1::2], strict=True):
        real = output_of(command, (0, 1, 3) if mark else (0, 1))
        yield f"$ archbench {command}\n"
        stays = is_alike(shown, real) if mark else "\n...\n" in f"\n{shown}" and _matches(shown, real)
        yield shown if stays else real


def _matches(shown: str, real: str) -> bool:
    """Say whether real output is what is shown, a line `...` there being any lines."""
    pieces = [re.escape(piece) for piece in f"\n{shown}".split("\n...")]
    return re.fullmatch("(?:\n.*)*".join(pieces), f"\n{real}") is not None


def output_of(command: str, accepted: tuple[int, ...]) -> str:
    """Return what a command prints. Exits if its exit code is not one of those accepted."""
    stream, messages = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(messages):
        code = run(shlex.split(command))
    if code not in accepted:
        sys.exit(f"archbench {command}: exit code {code}: {messages.getvalue()}")
    return stream.getvalue()


def main() -> None:
    """Rewrite the pages, or exit with 1 if one is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("pages", nargs="*", type=lambda path: Path(path).resolve(), help="default: all")
    asked = parser.parse_args()
    stale = []
    for page in asked.pages or pages():
        text = page.read_text(encoding="utf-8")
        today = refreshed(text)
        if today != text:
            stale.append(page.name)
            if not asked.check:
                write_whole(page, today)
    print(f"{'stale' if asked.check else 'rewritten'}: {', '.join(stale) or 'none'}")
    sys.exit(1 if asked.check and stale else 0)


if __name__ == "__main__":
    main()
