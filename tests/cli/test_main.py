"""What a command leaves behind in the process that runs it."""

from __future__ import annotations

import logging
import signal
import threading

import pytest

from cli.main import TerminatedError, run


@pytest.mark.parametrize("arguments", [["--version"], ["costs"], ["summary", "vgg61"]])
def test_a_command_restores_the_handler_of_sigterm_and_the_logger(arguments, capsys):
    log = logging.getLogger("archbench")
    before = signal.getsignal(signal.SIGTERM), log.level, log.propagate, list(log.handlers)
    run(arguments)
    assert (signal.getsignal(signal.SIGTERM), log.level, log.propagate, list(log.handlers)) == before


def test_sigterm_ends_a_command_with_143(monkeypatch, capsys):
    monkeypatch.setattr("archbench.costs", lambda: signal.raise_signal(signal.SIGTERM))
    assert run(["costs"]) == 143
    assert capsys.readouterr().err == "archbench: terminated\n"
    assert issubclass(TerminatedError, BaseException)
    assert not issubclass(TerminatedError, Exception)


def test_a_command_runs_outside_the_main_thread_where_no_handler_can_be_set(capsys):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run(["--version"])))
    thread.start()
    thread.join()
    assert codes == [0]


def test_ctrl_c_ends_a_command_with_130_and_one_line(monkeypatch, capsys):
    monkeypatch.setattr("archbench.costs", lambda: signal.raise_signal(signal.SIGINT))
    assert run(["costs"]) == 130
    assert capsys.readouterr().err.strip() == "archbench: interrupted"
