"""Predicted against measured peak memory on this machine's GPU: `results/memory_NAME.csv`, NAME being the GPU's.

    python results/measure_memory.py [--models vgg16,...] [--output PATH]

Each configuration runs in a process of its own: a forward pass or a training step with SGD and momentum, three times.
Measured is `torch.cuda.max_memory_allocated` of the last, predicted what `archbench memory --device` adds up.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pandas as pd
import torch

from archbench.address import find, model_names
from archbench.analyze.footprint import Footprint, footprint
from archbench.analyze.roofline import Conditions, Layout
from archbench.devices.catalogue import Device
from archbench.files import write_whole
from archbench.precision import PRECISIONS
from archbench.trace.tracer import Mode, trace

FOLDER = Path(__file__).parent
BATCHES = {"eval": 32, "train": 32}


def main() -> None:
    """Measure every configuration and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join([*model_names(), "torchvision:resnet50"]))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", nargs=4, metavar=("MODEL", "MODE", "DTYPE", "LAYOUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("there is no GPU here")
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    rows = []
    for one in product(arguments.models.split(","), ("eval", "train"), ("fp32", "amp"), ("nchw", "nhwc")):
        command = [sys.executable, __file__, "--one", *one]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{' '.join(one)}: failed: {done.stderr.strip().splitlines()[-1]}")
            continue
        rows.append(json.loads(done.stdout))
        print(f"{' '.join(one)}: {rows[-1]['error']:+.1%}", flush=True)
    stream = io.StringIO()
    pd.DataFrame(rows).to_csv(stream, index=False)
    name = re.sub(r"\W+", "_", torch.cuda.get_device_name().lower())
    write_whole(arguments.output or FOLDER / f"memory_{name}.csv", stream.getvalue())


def measure(name: str, mode: Mode, dtype: str, layout: Layout) -> dict[str, object]:
    """Return one configuration's predicted and measured peak."""
    batch, precision = BATCHES[mode], PRECISIONS[dtype]
    source = find(name)
    shape = (batch, *(source.input_shape or (3, 224, 224)))
    predicted = predict(name, shape, mode, dtype, layout)
    measured = run(name, shape, mode, dtype, layout)
    return {
        "model": name, "mode": mode, "dtype": precision.name, "layout": layout, "batch": batch,
        "predicted_bytes": predicted.needed_bytes, "tensor_bytes": predicted.peak_bytes,
        "workspace_bytes": predicted.workspace_bytes, "rounding_bytes": predicted.rounding_bytes,
        "measured_bytes": measured, "error": predicted.needed_bytes / measured - 1,
        "gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]  # torch's
    }  # fmt: skip


def predict(name: str, shape: tuple[int, ...], mode: Mode, dtype: str, layout: Layout) -> Footprint:
    """Return the predicted footprint."""
    precision = PRECISIONS[dtype]
    major, minor = torch.cuda.get_device_capability()
    device = Device(
        "this", "", 0, 0, 1.0, {"fp32": 1.0, "tf32": 2.0, "bf16": 2.0, "fp16": 2.0},
        compute_capability=float(f"{major}.{minor}"),
    )  # fmt: skip
    record = trace(
        find(name).build(), torch.empty(shape, device="meta"), mode=mode, autocast_dtype=precision.autocast_dtype
    )
    return footprint(name, record, dtype, Conditions(device, precision, 1.0, layout))


def run(name: str, shape: tuple[int, ...], mode: str, dtype: str, layout: str) -> int:
    """Return the most that three steps allocate on the GPU."""
    source, memory_format = find(name), torch.channels_last if layout == "nhwc" else torch.contiguous_format
    model = source.builder(**source.arguments).cuda().to(memory_format=memory_format).train(mode == "train")
    images = torch.randn(shape, device="cuda").to(memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, foreach=True)
    autocast_dtype = PRECISIONS[dtype].autocast_dtype
    for _ in range(3):
        torch.cuda.reset_peak_memory_stats()
        optimizer.zero_grad()
        with (
            torch.set_grad_enabled(mode == "train"),
            torch.autocast("cuda", autocast_dtype, enabled=autocast_dtype is not None),
        ):
            outputs = model(images)
        if mode == "train":
            outputs.backward(torch.ones_like(outputs))
            optimizer.step()
        del outputs
        torch.cuda.synchronize()
    return int(torch.cuda.max_memory_allocated())


if __name__ == "__main__":
    main()
