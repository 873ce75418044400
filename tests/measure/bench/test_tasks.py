"""The tasks of a worker process, with the step and the GPU replaced."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from archbench.measure.bench import tasks


class FakeCuda:
    """A GPU whose peak is the largest reservation since the last reset."""

    def __init__(self) -> None:
        self.peak_bytes = 0

    def mem_get_info(self):
        return 1000, 2000

    def reset_peak_memory_stats(self):
        self.peak_bytes = 0

    def empty_cache(self):
        pass

    def max_memory_allocated(self):
        return self.peak_bytes

    max_memory_reserved = max_memory_allocated


@pytest.fixture
def sent(monkeypatch):
    """Return what the memory task sends for steps of 500 bytes, the first of which tries algorithms of 800."""
    cuda = FakeCuda()

    class Step:
        spare_bytes = 0

        def __init__(self, configuration, seed):
            cuda.peak_bytes = 800

        def run_once(self):
            cuda.peak_bytes = max(cuda.peak_bytes, 500)

    monkeypatch.setattr(tasks.torch, "cuda", cuda)
    monkeypatch.setattr(tasks, "Step", Step)
    monkeypatch.setattr(tasks, "wait", lambda kind: None)
    answers = {}
    channel = SimpleNamespace(send=lambda kind, **values: answers.update({kind: values}))
    configuration = SimpleNamespace(kind="cuda", batch=8, graphs=False)
    tasks.memory(SimpleNamespace(configuration=configuration, seed=0), channel)
    return answers["done"]


def test_the_memory_of_a_batch_leaves_out_what_cudnn_tries_in_the_first_step(sent):
    assert sent == {"free_bytes": 1000, "peak_bytes": 500}
