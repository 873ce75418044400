"""The tables that `results/gpu.py` writes: one row per step, by its name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archbench.files import write_whole
from results.gpu_steps import Step

_FIRST, _LAST = ("step", "status", "reason"), ("seconds", "torch", "commit")
COLUMNS = {
    "checks": ("figures",),
    "memory": ("predicted_bytes", "measured_bytes"),
    "throughput": (
        *("images_per_s", "images_per_s_low", "images_per_s_high", "predicted", "predicted_low", "predicted_high"),
        *("latency_s_median", "flop_per_s", "peak_allocated_bytes", "energy_j_per_image", "replay_s", "compile_s"),
        "flags",
    ),
    "training": (
        *("input_shape", "epochs", "top1_mean", "top1_low", "top1_high", "chance_top1", "images_per_s"),
        *("step_images_per_s", "time_s", "peak_bytes"),
    ),
}
Row = dict[str, str]


class Tables:
    """The tables of one GPU in a folder. Rows of another version of torch are not kept."""

    def __init__(self, folder: Path, name: str, torch_version: str) -> None:
        self.environment: dict[str, Any] = {}
        self._folder, self._name, self._torch = folder, name, torch_version
        folder.mkdir(parents=True, exist_ok=True)
        self.rows = {table: self._read(table) for table in COLUMNS}

    def path(self, name: str) -> Path:
        """Return the path of a file of this GPU."""
        return self._folder / f"{self._name}_{name}"

    def status(self, step: Step) -> str:
        """Return the status of a step, empty if it has not run."""
        return self.rows[step.table].get(step.name, {}).get("status", "")

    def add(self, step: Step, figures: Mapping[str, Any]) -> None:
        """Add or replace the row of a step and write its table."""
        versions = {"torch": self._torch, "commit": self.environment.get("commit")}
        figures = {"step": step.name, **figures, **versions}
        columns = (*_FIRST, *COLUMNS[step.table], *_LAST)
        row = {name: figures.get(name) for name in columns}
        self.rows[step.table][step.name] = {name: "" if value is None else str(value) for name, value in row.items()}
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows[step.table].values())
        write_whole(self.path(f"{step.table}.csv"), stream.getvalue())

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Write what the figures depend on."""
        self.environment = dict(environment)
        write_whole(self.path("environment.json"), f"{json.dumps(self.environment, indent=2)}\n")

    def _read(self, table: str) -> dict[str, Row]:
        path = self.path(f"{table}.csv")
        if not path.exists():
            return {}
        with path.open(encoding="utf-8", newline="") as stream:
            return {row["step"]: row for row in csv.DictReader(stream) if row["torch"] == self._torch}
