"""Skip everything here on a machine without a GPU."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def on_a_gpu(request):
    """Start workers as new interpreters: CUDA cannot be used in a fork of a process that has used it."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("requires an NVIDIA GPU")
    request.getfixturevalue("new_interpreters")
