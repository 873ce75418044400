"""The published architectures by hand arithmetic, as rows of text: tests/golden/*.csv."""

from __future__ import annotations

import csv
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"


def layers_of(model: str) -> list[dict[str, str]]:
    """Return the golden rows of a model's convolutions, poolings and linear layers, in order."""
    with (GOLDEN / "zoo.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["model"] == model]


def models_with_layers() -> list[str]:
    """Return the models that have golden layers."""
    with (GOLDEN / "zoo.csv").open() as file:
        return list(dict.fromkeys(row["model"] for row in csv.DictReader(file)))


def chains() -> list[str]:
    """Return those of them that run each layer on the output of the one before."""
    return [name for name in models_with_layers() if not name.startswith(("googlenet", "resnet"))]


def totals() -> dict[str, dict[str, int]]:
    """Return the golden totals by model."""
    with (GOLDEN / "totals.csv").open() as file:
        return {
            row["model"]: {key: int(value) for key, value in row.items() if key != "model"}
            for row in csv.DictReader(file)
        }
