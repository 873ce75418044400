"""Training on a GPU: in every precision, and continued from a checkpoint."""

from __future__ import annotations

import math

import archbench
from archbench.progress import Progress
from tests.cuda.subject import THREADS, folder, show

STEPS = {"cuda": 60, "cpu": 6}
DTYPES = ("fp32", "amp", "amp-fp16")


def test_training_learns_in_every_precision(kind="cuda"):
    accuracies = {}
    for dtype in (*DTYPES, *(("tf32",) if kind == "cuda" else ())):
        with folder() as path:
            run = _train(kind, path, dtype=dtype)
        (accuracy,) = run.accuracies
        assert accuracy.status in ("ok", "chance"), f"{dtype}: {accuracy.status}"
        assert all(math.isfinite(epoch.train_loss) for epoch in run.epochs)
        assert kind == "cpu" or accuracy.peak_bytes > 0
        accuracies[dtype] = accuracy.top1_mean
    show(**accuracies)
    # Guessing one of ten digits gives 10%.
    assert kind == "cpu" or all(top1 > 0.3 for top1 in accuracies.values())


def test_training_continues_from_a_checkpoint_as_if_it_had_not_stopped(kind="cuda"):
    with folder() as path:
        whole = _train(kind, path / "whole", dtype="amp-fp16")
        parts = _train(kind, path / "parts", dtype="amp-fp16", checkpoint_every=0.0, progress=_Stop(STEPS[kind] // 2))
        assert parts is None
        resumed = archbench.train(resume=path / "parts", **_settings(kind, path))
    losses = [[epoch.train_loss for epoch in run.epochs] for run in (whole, resumed)]
    show(whole=losses[0][-1], resumed=losses[1][-1])
    assert len(losses[0]) == len(losses[1])
    # Some kernels of cuDNN add in an order that changes.
    tolerance = 0.02 if kind == "cuda" else 1e-5
    assert all(math.isclose(a, b, rel_tol=tolerance) for a, b in zip(*losses, strict=True))


class _Stop(Progress):
    """Interrupts a training as Ctrl-C would while it reports a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def update(self, text: str = "", step: int | None = None) -> None:
        """Raise KeyboardInterrupt at the step."""
        if step == self._step:
            raise KeyboardInterrupt


def _settings(kind, path):
    return {"device": kind, "threads": THREADS[kind], "store": path / "results.db"}


def _train(kind, path, **options):
    """Return the run, None if it was interrupted."""
    try:
        return archbench.train(
            "lenet", "digits", steps=STEPS[kind], seeds=1, out=path, **_settings(kind, path), **options
        )
    except KeyboardInterrupt:
        return None
