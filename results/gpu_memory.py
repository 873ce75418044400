"""Predicted and measured peak memory of one configuration, in this process.

The measured peak is that of the last of three steps: a forward pass, or a training step with SGD and momentum. On a GPU
it is `torch.cuda.max_memory_allocated`; on a CPU, which reports none, torch's own memory tracker has its place.
"""

from __future__ import annotations

import torch

import archbench
from archbench.analyze.performance.kernels import Layout
from archbench.hardware.device import Device
from archbench.models.address import find
from archbench.precision import PRECISIONS, Precision
from archbench.trace.tracer import Mode
from tests.helpers.mem_tracker import tracked_peak

_STEPS = 3


def predicted_bytes(name: str, mode: Mode, dtype: str, layout: Layout, batch: int, kind: str = "cuda") -> int:
    """Return the peak that `archbench memory --device` predicts for this machine's device."""
    device = _this_gpu() if kind == "cuda" else None
    inputs = "x".join(map(str, _shape(name)))
    estimate = archbench.memory(name, inputs, batch=batch, mode=mode, dtype=dtype, device=device, layout=layout)
    return estimate.rows[0].needed_bytes


def run(name: str, mode: Mode, dtype: str, layout: Layout, batch: int, kind: str = "cuda") -> int:
    """Return the measured peak in bytes."""
    if kind == "cpu":
        return tracked_peak(find(name), batch, mode, autocast_dtype=PRECISIONS[dtype].autocast_dtype)
    source, precision = find(name), PRECISIONS[dtype]
    round_products(precision)
    memory_format = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    with torch.device(kind):
        model = source.builder(**source.arguments).to(memory_format=memory_format).train(mode == "train")
        images = torch.randn(batch, *_shape(name)).to(memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, foreach=True)
    for _ in range(_STEPS):
        torch.cuda.reset_peak_memory_stats()
        optimizer.zero_grad()
        with (
            torch.set_grad_enabled(mode == "train"),
            torch.autocast(kind, precision.autocast_dtype, enabled=precision.autocast_dtype is not None),
        ):
            outputs = model(images)
        if mode == "train":
            outputs.backward(torch.ones_like(outputs))
            optimizer.step()
        del outputs
        torch.cuda.synchronize()
    return int(torch.cuda.max_memory_allocated())


def round_products(precision: Precision) -> None:
    """Allow TF32 if that is the precision and forbid it otherwise: by default torch uses it for convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = precision.tf32
    torch.backends.cudnn.allow_tf32 = precision.tf32


def _shape(name: str) -> tuple[int, ...]:
    return find(name).input_shape or (3, 224, 224)


def _this_gpu() -> Device:
    """Return a device of this GPU's compute capability; its rates do not matter for memory."""
    major, minor = torch.cuda.get_device_capability()
    peaks = {"fp32": 1.0, "tf32": 2.0, "bf16": 2.0, "fp16": 2.0}
    return Device("this", "", 0, 0, 1.0, peaks, compute_capability=float(f"{major}.{minor}"))
