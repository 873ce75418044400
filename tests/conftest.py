from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.helpers import fork_server

if TYPE_CHECKING:
    from archbench.api.summary import Summary
    from archbench.trace.records import Trace
    from archbench.trace.tracer import Mode

# Nothing here imports torch: the process that hands out the tests to others has no use for it.


def pytest_configure():
    """Collect no garbage among modules, which are none: it would take a fifth of the time of importing them."""
    gc.disable()


def pytest_collection_finish():
    """Leave what was imported out of the collections of garbage from now on."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure():
    """Let libraries see at the end that nothing is left of theirs."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def zoo_summary() -> Callable[..., Summary]:
    """Return a function from an address to the summary of that zoo model on its card's input."""

    from archbench.api.summary import summarize
    from archbench.models.address import find
    from archbench.models.inputs import InputSpec

    def make(address: str, batch: int = 1) -> Summary:
        source = find(address)
        assert source.card is not None
        return summarize(source.build(), InputSpec(source.card.input_shape).tensor(batch))

    return make


@pytest.fixture(scope="session")
def zoo_trace() -> Callable[..., Trace]:
    """Return a function from name, batch and mode to the trace of that zoo model on its card's input."""

    from archbench.models.address import find
    from archbench.models.inputs import InputSpec
    from archbench.trace.tracer import trace

    @cache
    def make(address: str, batch: int, mode: Mode) -> Trace:
        source = find(address)
        assert source.card is not None
        return trace(source.build(), InputSpec(source.card.input_shape).tensor(batch), mode=mode)

    return make


@pytest.fixture(scope="session", autouse=True)
def shared_machine():
    """Leave cores to the tests beside: threads that wait for one another on a busy core take many times as long.

    A search that gives up after two seconds is to find what it finds on a quiet machine.
    """
    import torch

    from archbench.models import inputs

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(inputs, "_SEARCH_S", 60.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """Keep what commands keep for a user away from the user who runs the tests."""
    place = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(place / "data"))
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        yield place


@pytest.fixture(scope="session", autouse=True)
def forked_processes(shared_machine):
    """Start processes as forks of one that has imported torch; `tests/helpers/fork_server.py` says how and which."""
    with fork_server.forked_processes():
        yield


@pytest.fixture
def new_interpreters():
    """Start processes as new interpreters, for what is imported or read from the environment at their start."""
    with fork_server.new_interpreters():
        yield


@pytest.fixture
def archbench(capsys):
    """Run the command line in this process and return its exit code, output and messages."""
    from cli.main import run

    def call(*arguments):
        code = run(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def archbench_command(archbench):
    """Run the command line, which must succeed, and return its output."""

    def call(*arguments):
        code, out, err = archbench(*arguments)
        assert code == 0, err
        return out

    return call
