"""`archbench profile` on a GPU: the kernels of a step belong to its layers."""

from __future__ import annotations

import math

import archbench
from tests.cuda.subject import BATCH, MODEL, SECONDS, THREADS, show


def test_the_rows_of_a_profile_in_inference_sum_to_the_step(kind="cuda"):
    _profile(kind, "eval")


def test_the_rows_of_a_profile_in_training_sum_to_the_step(kind="cuda"):
    _profile(kind, "train")


def _profile(kind, mode):
    profile = archbench.profile(
        MODEL[kind], batch=BATCH[kind], mode=mode, device=kind, threads=THREADS[kind], max_seconds=4 * SECONDS[kind]
    )
    gaps = profile.rows[-1]
    gaps_share = gaps.time_s / profile.step_s
    show(
        step_s=profile.step_s,
        overhead=profile.profiled.profile.overhead,
        gaps_share=gaps_share,
        longest=max(profile.rows[:-1], key=lambda row: row.time_s).name,
    )
    assert math.isclose(sum(row.time_s for row in profile.rows), profile.step_s, rel_tol=1e-9)
    if kind == "cuda":
        # Kernels counted twice would make the gaps negative, kernels of no layer would make them large.
        assert -0.02 < gaps_share < 0.5
