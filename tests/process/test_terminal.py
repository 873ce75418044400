"""What users see: in terminals of several widths, in pipes, in code pages of Windows, and when it is to be quiet."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest
from rich.cells import cell_len
from rich.console import Console

import archbench
from cli.main import run
from cli.output import be_quiet, is_quiet, note, screen, warn
from tests.helpers.fork_server import SCRIPT as ARCHBENCH
from tests.helpers.terminal import shown_in_terminal

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

# One of each layout of tables that needs no measurement.
COMMANDS = [
    "list",
    "summary lenet",
    "compare lenet lenet5",
    "memory lenet --batch 1,8",
    "memory lenet --timeline",
    "memory lenet --layers --mode train",
    "devices",
    "estimate lenet --device h200",
    "estimate lenet --device h200 --layers",
    "estimate lenet --device h200 --devices 1,8 --dataset cifar10",
    "diff lenet lenet5",
    "verify lenet",
    "check lenet --max-params 5K --max-macs 1G",
    "costs",
    "history",
    "results",
]


class Stream(io.TextIOWrapper):
    """A terminal or pipe of an encoding, as Python opens it."""

    def __init__(self, encoding, *, is_terminal):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal

    @property
    def text(self):
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """Run a command in this process and return its code, and what came out and was said."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    def call(command, *, width=80, encoding="utf-8", is_terminal=True):
        out, err = (Stream(encoding, is_terminal=is_terminal) for _ in range(2))
        with monkeypatch.context() as patched:
            patched.setenv("COLUMNS", str(width))
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", err)
            code = run(command.split())
        return code, out.text, err.text

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_wider_than_the_terminal(shown, command):
    for width in (40, 80, 200):
        code, out, _ = shown(command, width=width)
        assert code == (1 if command.startswith("check") else 0)
        assert max(cell_len(ANSI.sub("", line)) for line in out.splitlines()) <= width


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp850", "ascii"])
@pytest.mark.parametrize(
    "command", ["list", "summary lenet", "compare lenet lenet5", "explain lenet", "estimate lenet --device h200"]
)
def test_code_pages_have_sensible_signs(shown, command, encoding):
    code, out, _ = shown(command, encoding=encoding, is_terminal=False)
    assert code == 0
    assert "?" not in out
    assert "\\u" not in out
    _, usual, _ = shown(command, is_terminal=False)
    assert len(out.splitlines()) == len(usual.splitlines())


@pytest.mark.parametrize(
    ("encoding", "name"), [("cp1252", "né×\\u4e2d.py"), ("cp437", "néx\\u4e2d.py"), ("utf-8", "né×中.py")]
)
def test_errors_come_through_in_code_pages(shown, encoding, name):
    said = f"archbench: there is no file '{name}'\n"
    assert shown("summary né×中.py:Net", encoding=encoding) == (2, "", said)


def test_narrow_terminals_keep_what_matters(shown):
    # A budget's verdict and a timeline's total are seen in 40 columns, too.
    assert "missed" in shown("check lenet --max-params 5K", width=40)[1].splitlines()[3]
    assert "Total" in shown("memory lenet --timeline", width=40)[1]


def wrapped(sentences, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(sentences.rstrip("\n"), highlight=False)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    "command",
    [
        *COMMANDS,
        *(f"summary {card.name}" for card in archbench.list_models()),
        "summary torchvision:resnet18",
        "summary torchvision:vit_b_16 --mode train",
        "summary alexnet --top 3 --percent",
        "compare alexnet zfnet vgg16 --top 2",
        "compare alexnet torchvision:vit_b_16 --depth 1 --percent",
        "memory vgg16 --mode train --fit 24GiB",
        "memory lenet --layers",
        "diff alexnet zfnet",
        "diff vgg16 vgg16_bn --mode train",
        "verify",
        "estimate alexnet --device a100 --devices 1..64",
        "estimate alexnet --device a100 --global-batch 512 --devices 1..512 --interconnect 1GB",
    ],
)
def test_at_most_two_lines_stand_below_a_table_and_none_with_quiet(shown, command):
    code, out, _ = shown(command)
    bare, doubts = shown(f"{command} --quiet")[1:]
    assert code in (0, 1)
    assert out.startswith(bare)
    # What makes a figure doubtful is on lines of its own; with --quiet it goes to standard error.
    below = ANSI.sub("", out.removeprefix(bare)).splitlines()
    own = [line.rstrip() for sentence in doubts.splitlines() for line in wrapped(sentence, 80)]
    assert len([line for line in below if line.rstrip() not in own]) <= 2, below


@pytest.mark.parametrize("command", ["--quiet summary lenet --csv {}", "summary lenet --quiet --csv {}"])
def test_quiet_says_nothing_where_all_is_well(shown, tmp_path, command):
    path = tmp_path / "lenet.csv"
    assert shown(command.format(path)) == (0, "", "")
    assert path.exists()
    assert shown(f"summary lenet --csv {path}") == (0, "", f"wrote {path}\n")


def test_quiet_still_says_what_is_wrong(shown):
    assert shown("--quiet summary vgg61")[2] == "archbench: there is no model 'vgg61'; did you mean 'vgg16'?\n"
    assert shown("summary --quiet")[2].count("\n") == 1


def test_quiet_still_says_what_makes_a_number_doubtful(shown, tmp_path):
    # A Bessel function has no rule: without this line, its zero would be silent.
    (tmp_path / "odd.py").write_text(
        "import torch\n"
        "class Odd(torch.nn.Module):\n    def forward(self, x):\n        return torch.special.bessel_j0(x)\n"
    )
    code, _, said = shown(f"--quiet summary {tmp_path}/odd.py:Odd --input 3")
    assert code == 0
    assert "aten.special_bessel_j0" in said


def test_quiet_is_of_one_run(shown):
    shown("--quiet list")
    assert is_quiet()
    shown("list")
    assert not is_quiet()


def test_subcommands_take_quiet_as_well(shown, tmp_path):
    said = f"archbench: there is no store '{tmp_path}/none.db'\n"
    assert shown(f"results compare a b --quiet --store {tmp_path}/none.db")[2] == said


def test_notes_are_silenced_and_warnings_are_not(capsys):
    be_quiet()
    note("beside")
    warn("doubtful")
    be_quiet(False)
    note("heard")
    assert capsys.readouterr() == ("", "doubtful\nheard\n")


@pytest.mark.parametrize(
    ("is_terminal", "term", "quiet", "is_there"),
    [
        (True, "xterm", False, True),
        (True, "dumb", False, False),
        (False, "xterm", False, False),
        (True, "xterm", True, False),
    ],
)
def test_progress_is_drawn_only_on_a_terminal_that_can_and_may(monkeypatch, is_terminal, term, quiet, is_there):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", "1")  # asks for colours, not for bars in files
    monkeypatch.setattr(sys, "stderr", Stream("utf-8", is_terminal=is_terminal))
    be_quiet(quiet)
    assert (screen() is not None) is is_there
    be_quiet(False)


@pytest.mark.slow
def test_a_real_terminal_is_filled_and_not_exceeded():
    columns = 60
    shown = shown_in_terminal([ARCHBENCH, "devices"], columns=columns)
    widths = [cell_len(ANSI.sub("", line).rstrip()) for line in shown.splitlines()]
    assert columns - 15 <= max(widths) <= columns
    assert "\x1b[1m" in shown
    assert "─" in shown


@pytest.mark.slow
def test_a_real_terminal_without_colour_gets_none():
    assert "\x1b" not in shown_in_terminal([ARCHBENCH, "list"], TERM="dumb")


@pytest.mark.slow
def test_a_pipe_on_windows_gets_its_code_page():
    # As Python opens a pipe there: strict, and not UTF-8.
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp437:strict"}
    process = subprocess.run([ARCHBENCH, "train", "--help"], capture_output=True, env=environment, check=True)
    assert "NxN" in process.stdout.decode("cp437")
    said = subprocess.run([ARCHBENCH, "summary", "→:Net"], capture_output=True, env=environment).stderr.decode("cp437")
    assert said.startswith("archbench: ")
    assert "->" in said


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--help", "summary --help", "--version"])
def test_a_reader_that_is_gone_is_no_error(command):
    pipeline = f"{ARCHBENCH} {command} | true; exit ${{PIPESTATUS[0]}}"
    process = subprocess.run(["bash", "-c", pipeline], capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("errors", ["2>&-", "2>&1 >/dev/null | true"])
def test_where_notes_find_no_listener_the_work_is_done(tmp_path, errors):
    path = tmp_path / "devices.csv"
    shell = f"{ARCHBENCH} devices --csv {path} {errors}; exit ${{PIPESTATUS[0]}}"
    process = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    # A note is no part of the result: it never falls into standard output.
    assert (process.returncode, process.stdout) == (0, "")
    assert path.exists()
