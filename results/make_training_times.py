"""Write `docs/training_times.md`: the papers' training times beside the roofline of their machines.

python results/make_training_times.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import archbench
from archbench.files import records_from_csv, write_whole
from archbench.hardware.find import find_device
from archbench.reporting.export.markdown import to_markdown
from archbench.reporting.table import Column, Table

FOLDER = Path(__file__).parent
TARGET = FOLDER.parent / "docs" / "training_times.md"
_DAY_S = 86_400

COLUMNS = (
    Column("model", "Model", "text", 0),
    Column("machine", "Machine", "text", 1),
    Column("published", "Days, published", "text", 2),
    Column("roofline_days", "Days at the roofline", "measure", 3),
    Column("images_per_s", "Images/s, published", "measure", 4),
    Column("flops_per_image", "FLOPs per image", "count", 5),
    Column("utilisation", "Of the peak, published", "percent", 6),
    Column("source", "Source", "text", 7),
)

INTRODUCTION = """# The papers' training times

Training times stated in the papers, and the times at the roofline of their machines: every operator of the training
step (forward, backward, SGD with momentum) at the full published fp32 rate or at 90% of the published memory bandwidth,
without communication. *Of the peak* is the utilisation implied by the published time: the FLOPs per image counted by
`archbench`, times images per second, divided by the peak of all devices; of two published times the longer is used.

"""

CLOSING = """
The papers' programs reached a quarter to two fifths of the peak of their GPUs. The roofline ignores data loading,
communication and the kernels of the time. By the roofline, no program could have been more than two to four times
faster, because part of every step is limited by memory.

"""


@dataclass(frozen=True, slots=True)
class PublishedTraining:
    """A training run as its paper reports it."""

    source: str
    quote: str
    model: str
    device: str
    devices: int
    batch: int
    images: int
    epochs: int
    days_low: float
    days_high: float


def published() -> list[PublishedTraining]:
    """Return the papers' training runs."""
    return records_from_csv((FOLDER / "training_times.csv").read_text("utf-8"), PublishedTraining)


def training_row(run: PublishedTraining) -> dict[str, Any]:
    """Return a published run with the roofline of its machine."""
    device = find_device(run.device)
    estimate = archbench.estimate(run.model, device, batch=run.batch, mode="train", efficiency=1.0, require_fit=False)
    step_s = estimate.rows[0].step_s
    images = run.images * run.epochs
    flops = estimate.rows[0].flop_per_s * step_s / run.batch
    images_per_s = images / (run.days_high * _DAY_S)
    days = dict.fromkeys(f"{days:g}" for days in (run.days_low, run.days_high))
    return {
        "model": run.model,
        "machine": f"{run.devices} x {run.device}",
        "published": " to ".join(days),
        "roofline_days": images / run.batch / run.devices * step_s / _DAY_S,
        "images_per_s": images_per_s,
        "flops_per_image": flops,
        "utilisation": images_per_s * flops / (run.devices * device.peak("fp32")),
        "source": run.source,
    }


def main() -> None:
    """Write the page."""
    runs = published()
    table = to_markdown(Table(columns=COLUMNS, rows=[training_row(run) for run in runs]))
    quotes = "".join(f"- {run.source}: “{run.quote}”\n" for run in runs)
    write_whole(TARGET, INTRODUCTION + table + CLOSING + quotes)
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
