"""What a report shows of a training run: its figures, what they say, pictures of filters, and the circumstances."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archbench.errors import UsageError
from archbench.files import plain_name
from archbench.reporting.tables.comparison_text import verdict
from archbench.training.run_dir.load import FinishedRun, read_finished
from archbench.training.run_dir.paths import RunFolder
from archbench.training.statistics import compare_models


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a model's filters as a data URI; `layer` is the convolution that has them."""

    model: str
    layer: str
    uri: str


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A run as it was read back; `verdict` are sentences on which model learns better for its cost."""

    name: str
    figures: FinishedRun
    verdict: Sequence[str]
    pictures: Sequence[Picture]
    environment: Mapping[str, Any]


def read_training(path: Path) -> TrainingRun:
    """Return the run in a folder. Raises UsageError for what is no such folder, damaged, or without figures yet."""
    figures = read_finished(path)
    if not figures.accuracies:
        raise UsageError(f"no training of the run '{path}' has ended yet; 'archbench train --resume {path}' goes on")
    return TrainingRun(
        name=path.resolve().name,
        figures=figures,
        verdict=verdict(figures.accuracies, compare_models(figures.complete_predictions())),
        pictures=_pictures(figures.folder, figures.record["plan"]["models"]),
        environment=_environment(figures.folder.environment),
    )


def _pictures(folder: RunFolder, models: Sequence[str]) -> list[Picture]:
    """Return the pictures of filters; a file is named `filters-MODEL-LAYER.png`."""
    found = []
    for path in sorted(folder.pictures.glob("filters-*.png")):
        rest = path.stem.removeprefix("filters-")
        owners = [model for model in models if rest.startswith(f"{plain_name(model)}-")]
        if owners:
            owner = max(owners, key=len)
            found.append(Picture(owner, rest.removeprefix(f"{plain_name(owner)}-"), _uri(path)))
    return found


def _uri(path: Path) -> str:
    """Return a PNG as a data URI, packed tightly: it is drawn large, and without its opacity a tenth of its size."""
    from PIL import Image, UnidentifiedImageError

    packed = io.BytesIO()
    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.convert("RGB").save(packed, "PNG", optimize=True)
    except (UnidentifiedImageError, OSError) as error:
        raise UsageError(f"'{path}' is no PNG picture that can be read") from error
    return f"data:image/png;base64,{b64encode(packed.getvalue()).decode()}"


def _environment(path: Path) -> dict[str, Any]:
    """Return what the run's figures depend on, nothing if it does not say."""
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"'{path}' is damaged: it is not what 'archbench train' writes") from error
    return record if isinstance(record, dict) else {}
