from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from archbench.measure.bench import cuda_graph as graphs
from archbench.measure.bench.cuda_graph import Replay, launch_flags, replay_s, subject_of
from archbench.measure.bench.timing import GPU
from tests.helpers.scripted_timing import Script


def test_a_step_slower_than_its_replay_by_more_than_a_tenth_is_launch_bound():
    # 1.32 ms against 1 ms.
    assert launch_flags(1.32e-3, 1e-3) == ("launch-bound: the step takes 1.32 times its replay as a graph",)
    assert launch_flags(1.09e-3, 1e-3) == ()
    assert launch_flags(0.9e-3, 1e-3) == ()


@pytest.mark.parametrize("replayed_s", [None, 0.0])
def test_without_a_replay_there_is_no_flag(replayed_s):
    assert launch_flags(1.0, replayed_s) == ()


@pytest.fixture
def timed(monkeypatch):
    """Stand a script in for the blocks of a replay, and return what was made of which step."""
    made = []

    def make(step_s, error=None):
        def replay(step):
            made.append(step)
            if error is not None:
                raise error
            return "replay"

        def blocks(subject, kind):
            assert (subject, kind) == ("replay", "cuda")
            return Script(step_s)

        monkeypatch.setattr(graphs, "Replay", replay)
        monkeypatch.setattr(graphs, "Blocks", blocks)
        return made

    return make


def test_the_replay_of_a_step_is_timed(timed):
    made = timed(step_s=2e-3)
    assert replay_s("step", GPU) == pytest.approx(2e-3)
    assert made == ["step"]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("operation not permitted when stream is capturing"), graphs.torch.OutOfMemoryError("no room")],
)
def test_a_step_that_cannot_be_captured_has_no_replay(timed, error):
    timed(step_s=1.0, error=error)
    assert replay_s("step", GPU) is None


class FakeCuda:
    """The part of torch.cuda that captures: writes down what happens on which stream."""

    def __init__(self):
        self.log, self.where = [], "default"

    def Stream(self):
        return SimpleNamespace(name="side", wait_stream=lambda other: self.log.append(f"side waits for {other.name}"))

    def current_stream(self):
        return SimpleNamespace(name="default", wait_stream=lambda other: self.log.append(f"waits for {other.name}"))

    @contextmanager
    def stream(self, stream):
        self.where = stream.name
        yield
        self.where = "default"

    def synchronize(self):
        self.log.append("synchronize")

    def empty_cache(self):
        self.log.append("give back what is kept")

    def reset_peak_memory_stats(self):
        self.log.append("forget the peak")

    def CUDAGraph(self):
        return SimpleNamespace(replay=lambda: self.log.append("replay"))

    @contextmanager
    def graph(self, graph):
        self.where = "capture"
        yield
        self.where = "default"


def test_a_step_is_warm_before_it_is_captured_once_and_then_only_replayed(monkeypatch):
    cuda = FakeCuda()
    monkeypatch.setattr(graphs.torch, "cuda", cuda)

    def run_once():
        cuda.log.append(f"step on {cuda.where}")
        return f"output of {cuda.where}"

    clear_gradients = lambda: cuda.log.append(f"gradients freed on {cuda.where}")  # noqa: E731  # as short as its use
    replay = Replay(SimpleNamespace(run_once=run_once, clear_gradients=clear_gradients))
    assert cuda.log == [
        "side waits for default",
        *["step on side"] * 3,
        "waits for side",
        # The peak is to be that of the graph's own memory: gradients of the warm-up are no part of it.
        "gradients freed on default",
        *("synchronize", "give back what is kept", "forget the peak"),
        "step on capture",
    ]
    cuda.log.clear()
    assert replay.run_once() == replay.run_once() == "output of capture"
    assert cuda.log == ["replay", "replay"]
    replay.run_steps(3)
    assert cuda.log == ["replay"] * 5


def test_the_subject_is_the_step_or_its_replay(timed):
    timed(step_s=1.0)
    assert subject_of("step", graphs=False) == "step"
    assert subject_of("step", graphs=True) == "replay"


def test_a_configuration_of_replays_fails_if_it_cannot_be_captured(timed):
    timed(step_s=1.0, error=RuntimeError("not permitted"))
    with pytest.raises(RuntimeError, match="not permitted"):
        subject_of("step", graphs=True)
