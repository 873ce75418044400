"""Compare predicted with measured peak memory on this machine's GPU.

    python results/measure_memory.py [--minutes 9] [--models vgg16,...] [--rerun] [--output PATH] [--list]

Writes `results/memory_NAME.csv`, where NAME is the name of the GPU. Every model of the zoo and ResNet-50 is measured
once in inference; four of them in both dtypes and layouts, and in training at two batches. Each configuration runs in a
new process, because library workspaces would add to the next peak. It runs a forward pass, or a training step with SGD
and momentum, three times. The measured peak is `torch.cuda.max_memory_allocated` of the last, the predicted peak the
sum that `archbench memory --device` reports. Each row is written at once, nothing is started after `--minutes`, and the
same command continues with missing configurations, then with failed ones.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

import archbench
from archbench.analyze.memory.footprint import Footprint
from archbench.analyze.performance.kernels import Layout
from archbench.errors import DeviceError
from archbench.files import write_whole
from archbench.hardware.device import Device
from archbench.host.exit_reason import reason
from archbench.host.machine import device_name
from archbench.models.address import find, model_names
from archbench.precision import PRECISIONS, Precision
from archbench.trace.tracer import Mode
from archbench.units import format_ratio

FOLDER = Path(__file__).parent
OTHERS = ("torchvision:resnet50",)
STUDIED = ("alexnet", "vgg16", "vgg16_bn", *OTHERS)
DTYPES, LAYOUTS = ("fp32", "amp"), ("nchw", "nhwc")
KEYS = ("model", "mode", "dtype", "layout", "batch")
COLUMNS = (
    *(*KEYS, "status", "reason", "predicted_bytes", "tensor_bytes", "workspace_bytes", "rounding_bytes"),
    *("measured_bytes", "error", "gpu", "torch", "cuda", "cudnn"),
)

# A configuration as the values of KEYS, and the rows of a table by configuration, all as text.
Key = tuple[str, ...]
Rows = dict[Key, dict[str, str]]


def main() -> None:
    """Measure missing configurations and write each row as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--models", help="only these")
    parser.add_argument("--rerun", action="store_true", help="measure again what was measured before")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--list", action="store_true", help="print the configurations and measure nothing")
    parser.add_argument("--one", nargs=len(KEYS), metavar=KEYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    models = arguments.models.split(",") if arguments.models else [*model_names(), *OTHERS]
    todo = [key for key in grid() if key[0] in models]
    if arguments.list:
        print("\n".join(map(", ".join, todo)))
        return
    try:
        gpu = device_name("cuda")
    except DeviceError as error:
        sys.exit(str(error))
    name = re.sub(r"\W+", "_", gpu.lower())
    path = arguments.output or FOLDER / f"memory_{name}.csv"
    measure_missing(todo, path, gpu, arguments.minutes, rerun=arguments.rerun)


def grid() -> list[Key]:
    """Return the configurations to measure, without duplicates."""
    todo = [
        *product([*model_names(), *OTHERS], ["eval"], ["fp32"], ["nchw"], ["32"]),
        *product(STUDIED, ["eval"], DTYPES, LAYOUTS, ["32"]),
        *product(STUDIED, ["train"], DTYPES, LAYOUTS, ["32", "128"]),
    ]
    return list(dict.fromkeys(todo))


def measure_missing(todo: Sequence[Key], path: Path, gpu: str, minutes: float, *, rerun: bool) -> None:
    """Measure missing and failed configurations until the time is up; write the table after each."""
    end_s = time.monotonic() + 60 * minutes
    rows = {key: row for key, row in earlier_rows(path, gpu).items() if not rerun or key not in todo}
    left = [key for key in todo if key not in rows or rows[key]["status"] != "ok"]
    left.sort(key=lambda key: key in rows)
    for number, key in enumerate(left):
        if time.monotonic() > end_s:
            print(f"{len(left) - number} of {len(todo)} are missing; the same command continues")
            return
        answer = run_process(key)
        row = {**dict(zip(KEYS, key, strict=True)), "gpu": gpu, "torch": torch.__version__, **answer}
        rows[key] = {name: str(value) for name, value in row.items()}
        write(path, rows)
        ok = answer["status"] == "ok"
        outcome = f"predicted / measured {format_ratio(1 + answer['error'])}" if ok else f"failed: {answer['reason']}"
        print(f"{', '.join(key)}: {outcome}", flush=True)
    print(f"all {len(todo)} were measured, {sum(rows[key]['status'] != 'ok' for key in todo)} failed")


def earlier_rows(path: Path, gpu: str) -> Rows:
    """Return the rows of an earlier call with the same GPU and torch."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["gpu"], row["torch"]) == (gpu, torch.__version__)]
    return {tuple(row[name] for name in KEYS): row for row in rows}


def write(path: Path, rows: Mapping[Key, Mapping[str, str]]) -> None:
    """Write the table."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    write_whole(path, stream.getvalue())


def run_process(key: Key) -> dict[str, Any]:
    """Measure a configuration in a new process; return its figures, or why it failed."""
    done = subprocess.run([sys.executable, __file__, "--one", *key], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"status": "failed", "reason": reason(done.returncode, done.stderr)}
    answer: dict[str, Any] = json.loads(done.stdout)
    return {"status": "ok", **answer}


def measure(name: str, mode: Mode, dtype: str, layout: Layout, batch: str) -> dict[str, object]:
    """Return one configuration's predicted and measured peak."""
    shape = (int(batch), *(find(name).input_shape or (3, 224, 224)))
    predicted = predict(name, shape, mode, dtype, layout)
    measured = run(name, shape, mode, dtype, layout)
    return {
        "predicted_bytes": predicted.needed_bytes, "tensor_bytes": predicted.peak_bytes,
        "workspace_bytes": predicted.workspace_bytes, "rounding_bytes": predicted.rounding_bytes,
        "measured_bytes": measured, "error": predicted.needed_bytes / measured - 1,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]  # torch's
    }  # fmt: skip


def predict(name: str, shape: tuple[int, ...], mode: Mode, dtype: str, layout: Layout) -> Footprint:
    """Return the predicted footprint."""
    major, minor = torch.cuda.get_device_capability()
    device = Device(
        "this", "", 0, 0, 1.0, {"fp32": 1.0, "tf32": 2.0, "bf16": 2.0, "fp16": 2.0},
        compute_capability=float(f"{major}.{minor}"),
    )  # fmt: skip
    batch, *sample = shape
    inputs = "x".join(map(str, sample))
    return archbench.memory(name, inputs, batch=batch, mode=mode, dtype=dtype, device=device, layout=layout).rows[0]


def run(name: str, shape: tuple[int, ...], mode: str, dtype: str, layout: str) -> int:
    """Return the peak of allocated GPU memory in the last of three steps."""
    source, precision = find(name), PRECISIONS[dtype]
    round_products(precision)
    memory_format = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    with torch.device("cuda"):
        model = source.builder(**source.arguments).to(memory_format=memory_format).train(mode == "train")
        images = torch.randn(shape).to(memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, foreach=True)
    for _ in range(3):
        torch.cuda.reset_peak_memory_stats()
        optimizer.zero_grad()
        with (
            torch.set_grad_enabled(mode == "train"),
            torch.autocast("cuda", precision.autocast_dtype, enabled=precision.autocast_dtype is not None),
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


if __name__ == "__main__":
    main()
