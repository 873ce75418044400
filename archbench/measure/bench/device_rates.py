"""Rates of three small models that differ in what bounds them, measured on a device to correct predictions for it."""

from __future__ import annotations

import time
from statistics import median
from typing import cast

from archbench.hardware.device import Device, MeasuredRate
from archbench.host.machine import Kind
from archbench.measure.bench.ab_test import ServedArm
from archbench.measure.worker.request import RunOptions
from archbench.store.records import Configuration

# Dense convolutions; depthwise ones and memory; matrix products and attention. Batch 1: the launch of kernels.
_CPU_BATCHES = (("resnet18", 8), ("mobilenet_v2", 8), ("vit_b_16", 2), ("resnet18", 1))
_GPU_BATCHES = (("resnet18", 256), ("mobilenet_v2", 256), ("vit_b_16", 64), ("resnet18", 1))
_BLOCKS = 7
# On a slow device fewer blocks have to do.
_LEAST_BLOCKS = 3
_MOST_S = 3.0


def rate_configurations(device: Device) -> list[Configuration]:
    """Return what to measure on this machine's device: amp-fp16 and channels last on a GPU, fp32 on a CPU."""
    is_cpu = device.kind == "cpu"
    return [
        Configuration(
            model=f"torchvision:{name}",
            input_shape="3x224x224",
            kind=cast("Kind", device.name.removeprefix("this_")),
            device=device.title,
            mode="eval",
            batch=batch,
            dtype="fp32" if is_cpu else "amp-fp16",
            layout="nchw" if is_cpu else "nhwc",
            compiled=False,
            graphs=False,
            threads=device.threads or 0,
        )
        for name, batch in (_CPU_BATCHES if is_cpu else _GPU_BATCHES)
    ]


def measure_rate(configuration: Configuration) -> MeasuredRate:
    """Return the rate of a configuration in a new process, the median of its blocks after warm-up.

    Raises MeasurementError if the process fails, for instance because the batch does not fit in memory.
    """
    with ServedArm(configuration, RunOptions(max_seconds=_MOST_S), seed=0) as arm:
        start = time.perf_counter()
        samples_s = [arm.block_s() for _ in range(_LEAST_BLOCKS)]
        while len(samples_s) < _BLOCKS and time.perf_counter() - start < _MOST_S:
            samples_s.append(arm.block_s())
    return MeasuredRate(
        model=configuration.model,
        mode=configuration.mode,
        dtype=configuration.dtype,
        layout=configuration.layout,
        batch=configuration.batch,
        images_per_s=1 / median(samples_s),
    )
