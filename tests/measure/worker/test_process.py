from __future__ import annotations

import pytest

from archbench.measure.worker.process import failure


@pytest.mark.parametrize(
    ("error", "said"),
    [
        # What torch adds after the first line is the same for all, and helps its developers.
        (
            RuntimeError(
                "CUDA error: out of range\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions."
            ),
            "RuntimeError: CUDA error: out of range",
        ),
        (
            RuntimeError(
                "backend='inductor' raised:\nInvalidCxxCompiler: No working C++ compiler found\n\nSet TORCH_LOGS"
            ),
            "RuntimeError: backend='inductor' raised: InvalidCxxCompiler: No working C++ compiler found",
        ),
        (KeyError("conv"), "KeyError: 'conv'"),
        (NotImplementedError(), "NotImplementedError"),
    ],
)
def test_a_failure_is_said_in_one_line(error, said):
    assert failure(error) == said
