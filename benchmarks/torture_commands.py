"""Commands that `benchmarks/torture.py` runs, in this process or in others, and what must hold of how they end."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

_ARCHBENCH = (sys.executable, "-m", "archbench")
TRAIN = ("train", "lenet", "--steps", "60", "--seeds", "1", "--threads", "1", "--checkpoint-every", "0", "--quiet")
_PATIENCE_S = 300.0


class FailedTrialError(Exception):
    """What did not survive."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trial works: `folder` is its own and new, `reference` a finished training that all share."""

    folder: Path
    reference: Path
    numbers: random.Random
    trial: int

    def store(self) -> Path:
        """Return the path of the trial's own store."""
        return self.folder / "store.sqlite"


def start(*arguments: str | Path, folder: Path) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "PYTHONPATH": str(Path(__file__).parents[1])}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*_ARCHBENCH, *map(str, arguments)], cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return a process's exit code, output and messages. Raises FailedTrialError if it hangs or shows a traceback."""
    try:
        out, err = process.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise FailedTrialError("hangs") from None
    require("Traceback" not in err, f"a traceback: {err.strip().splitlines()[-1:]}")
    return process.returncode, out, err


def call(*arguments: str | Path) -> tuple[int, str, str]:
    """Run a command in this process and return its exit code, output and messages; all errors must be one line."""
    from cli.main import run

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(list(map(str, arguments)))
    text = err.getvalue()
    require(code in (0, 1, 2, 3), f"exit code {code}: {text.strip().splitlines()[-1:]}")
    require(code != 2 or text.splitlines()[-1].startswith("archbench: "), f"not one line: {text[-200:]}")
    return code, out.getvalue(), text


def require(condition: bool, failure: str) -> None:
    """Raise FailedTrialError unless the condition holds."""
    if not condition:
        raise FailedTrialError(failure)


def fuzzed(data: bytes, numbers: random.Random) -> bytes:
    """Return data that was cut short, or has bytes changed at its beginning, at its end, or anywhere."""
    kind = numbers.randrange(4)
    if kind == 0:
        return data[: numbers.randrange(len(data))]
    first, last = ((0, min(4096, len(data))), (max(0, len(data) - 500), len(data)), (0, len(data)))[kind - 1]
    changed = bytearray(data)
    for _ in range(numbers.choice((1, 3, 32))):
        place = numbers.randrange(first, last)
        changed[place] ^= numbers.randrange(1, 256)
    return bytes(changed)
