"""A training run in a report: its figures, a comparison in sentences, pictures of filters, and the environment."""

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
from archbench.reporting.training_run import training_run
from archbench.training.run_dir.load import SavedRun, read_saved_run
from archbench.training.run_dir.paths import RunFolder


@dataclass(frozen=True, slots=True)
class FilterPicture:
    """A picture of a convolution's filters as a data URI."""

    model: str
    layer: str
    uri: str


@dataclass(frozen=True, slots=True)
class ReportRun:
    """A run that was read from its folder; `verdict` has sentences on accuracy for cost."""

    name: str
    figures: SavedRun
    verdict: Sequence[str]
    pictures: Sequence[FilterPicture]
    environment: Mapping[str, Any]


def read_run(path: Path) -> ReportRun:
    """Return the run in a folder. Raises UsageError if the folder has no run, a damaged one, or one without figures."""
    figures = read_saved_run(path)
    if not figures.accuracies:
        raise UsageError(f"no training of the run '{path}' has ended yet; 'archbench train --resume {path}' goes on")
    return ReportRun(
        name=path.resolve().name,
        figures=figures,
        verdict=training_run(figures).comparison,
        pictures=_pictures(figures.folder, figures.record["plan"]["models"]),
        environment=_environment(figures.folder.environment),
    )


def _pictures(folder: RunFolder, models: Sequence[str]) -> list[FilterPicture]:
    """Return the pictures in files named `filters-MODEL-LAYER.png`."""
    pictures = []
    for path in sorted(folder.pictures.glob("filters-*.png")):
        rest = path.stem.removeprefix("filters-")
        owners = [model for model in models if rest.startswith(f"{plain_name(model)}-")]
        if owners:
            owner = max(owners, key=len)
            pictures.append(FilterPicture(owner, rest.removeprefix(f"{plain_name(owner)}-"), _uri(path)))
    return pictures


def _uri(path: Path) -> str:
    """Return a PNG as a data URI, recompressed without its alpha channel to a tenth of its size."""
    from PIL import Image, UnidentifiedImageError

    packed = io.BytesIO()
    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.convert("RGB").save(packed, "PNG", optimize=True)
    except (UnidentifiedImageError, OSError) as error:
        raise UsageError(f"'{path}' is not a readable PNG") from error
    return f"data:image/png;base64,{b64encode(packed.getvalue()).decode()}"


def _environment(path: Path) -> dict[str, Any]:
    """Return the run's environment, empty if it was not recorded."""
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"'{path}' is damaged: it is not what 'archbench train' writes") from error
    return record if isinstance(record, dict) else {}
