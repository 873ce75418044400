"""Compare peaks of attention and of an LSTM with torch's memory tracker, kernel by kernel, at batch 16 in float32.

python -m benchmarks.peaks

The tracker runs on fake tensors of a CPU, where attention is the kernel for CPUs; with the kernel of CUDA in its place
it sees that kernel's result, whose layout costs multi-head attention one more copy.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from archbench.analyze.peak_memory import peak_bytes
from archbench.models.address import Source, find
from archbench.trace.attention import DeviceKind
from archbench.trace.tracer import Mode, trace
from tests.helpers.mem_tracker import tracked_peak

BATCH = 16
MODES: tuple[Mode, ...] = ("eval", "train")


class Recurrent(nn.Module):
    """Two layers of an LSTM of 1,024 units."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1024, 1024, 2, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        """Return the outputs of all steps."""
        return self.lstm(x)[0]


def efficient(query: Tensor, key: Tensor, value: Tensor, *_args: Any, **_: Any) -> Any:
    """Run attention as CUDA's memory-efficient kernel."""
    return torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, True)[0]


def main() -> None:
    """Print one line per model, kernel and mode."""
    vit, recurrent = find("torchvision:vit_b_16"), Source("lstm", Recurrent, {}, input_shape=(128, 1024))
    cases: list[tuple[str, Source, DeviceKind]] = [
        ("ViT-B/16, as a CPU runs it", vit, "cpu"),
        ("ViT-B/16, as CUDA runs it", vit, "cuda"),
        ("LSTM 2 x 1024, 128 steps", recurrent, "cuda"),
    ]
    for title, source, kind in cases:
        for mode in MODES:
            shape = source.input_shape or ()
            ours = peak_bytes(trace(source.build(), torch.empty(BATCH, *shape), mode=mode, device_kind=kind))
            kernel = mock.patch.object(nn.functional, "scaled_dot_product_attention", efficient)
            # Truncated normal values are drawn by reading others, which fake tensors lack.
            initialisation = mock.patch.object(nn.init, "trunc_normal_", lambda tensor, *_args, **_: tensor)
            with initialisation, kernel if kind == "cuda" else nullcontext():
                tracked = tracked_peak(source, BATCH, mode)
            sizes = f"{ours / 2**20:8.1f} MiB, tracker {tracked / 2**20:8.1f} MiB"
            print(f"{title:28s} {mode:6s} {sizes}: {ours / tracked:.4f}")


if __name__ == "__main__":
    main()
