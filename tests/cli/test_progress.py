"""How far a sweep is: lines where nothing can be drawn over, a live table on a terminal of a real process."""

from __future__ import annotations

import itertools
import re
import signal
import sys

import pytest

from cli.progress import bench as module
from cli.progress.bench import BenchProgress, time_left
from tests.helpers.measurements import result
from tests.helpers.terminal import Terminal


def test_without_a_terminal_each_configuration_is_a_line(capsys):
    with BenchProgress() as progress:
        progress.start(3)
        progress.end(result())  # one that was measured before
        progress.begin("lenet, eval, batch 8")
        progress.update("measuring")
        progress.note("beside")
        progress.end(result("not_converged"))
        progress.end(result("failed", "RuntimeError: no kernel"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ("[2/3] lenet, eval, batch 8\nbeside\n[3/3] failed: RuntimeError: no kernel\n")


def test_an_interruption_reports_what_is_stored(capsys):
    def interrupted():
        with BenchProgress() as progress:
            progress.start(3)
            progress.end(result())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err == "1 of 3 are done and stored; the same command continues\n"


def test_the_time_left_is_estimated_from_the_mean():
    # 10 s each, four to go.
    assert time_left([8.0, 12.0], 4) == "about 40.0 s left"
    assert time_left([], 4) == time_left([8.0], 0) == ""


def test_stored_results_take_no_time(monkeypatch):
    shown = []

    class Screen:
        def __init__(self, total, console):
            self.open = self.close = lambda: None

        def add(self, result, left):
            shown.append(left)

    monkeypatch.setattr(module, "screen", lambda: "a terminal")
    monkeypatch.setattr(module, "_Screen", Screen)
    monkeypatch.setattr(module.time, "monotonic", itertools.count(step=10).__next__)
    with BenchProgress() as progress:
        progress.start(5, done=2)
        progress.end(result())  # one of the two
        for _ in range(3):
            progress.begin("another")
            progress.end(result())
        progress.end(result())
    # Each takes 10 s; after the first of three two are left to measure, whatever of the kept is still to come.
    assert shown == ["", "about 20.0 s left", "about 10.0 s left", "", ""]


SCRIPT = """
import sys, time
from tests.helpers.measurements import result
from cli.progress.bench import BenchProgress

with BenchProgress() as progress:
    progress.start(2)
    progress.begin("first")
    progress.end(result())
    progress.begin("second")
    progress.update("measuring, process 2 of 5")
    progress.note("beside")
    time.sleep(60 if "wait" in sys.argv else 1.5)
    progress.end(result())
print("the result")
"""


def on_a_terminal(*arguments, interrupt_at=None, **variables):
    """Run the script with a terminal for its errors, and return its code, output and what the terminal showed."""
    terminal = Terminal([sys.executable, "-c", SCRIPT, *arguments], piped=True, COLUMNS="80", **variables)
    if interrupt_at is not None:
        terminal.read(until=interrupt_at)
        terminal.process.send_signal(signal.SIGINT)
    return terminal.end(), terminal.output, terminal.shown


def test_a_terminal_sees_results_progress_and_what_is_measured():
    code, printed, shown = on_a_terminal()
    assert (code, printed) == (0, "the result\n")
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert "second: measuring, process 2 of 5" in plain
    assert "aaaaaaaa" in plain
    assert "12.5" in plain
    assert "1/2" in plain
    assert "left" in plain
    assert "beside" in plain
    # In the end it is erased, and the cursor is there again.
    assert shown.rstrip().endswith("\x1b[2K")
    assert "\x1b[?25h" in shown


COLOUR = re.compile(r"\x1b\[(3[0-7]|9[0-7]|38|4[0-7])[;m]")


def test_no_color_is_respected():
    assert COLOUR.search(on_a_terminal()[2])
    assert not COLOUR.search(on_a_terminal(NO_COLOR="1")[2])


def test_a_terminal_that_cannot_draw_gets_lines():
    shown = on_a_terminal(TERM="dumb")[2]
    assert shown == "[1/2] first\n[2/2] second\nbeside\n"


def test_an_interruption_on_a_terminal_reports_what_is_stored_below_the_table():
    _, printed, shown = on_a_terminal("wait", interrupt_at="process 2 of 5")
    assert printed == ""
    assert "1 of 2 are done and stored; the same command continues\n" in shown
    assert shown.index("\x1b[?25h") < shown.index("1 of 2 are done")
