"""A training run in a report: its figures, a comparison in sentences, its pictures, and the environment."""

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

_TEXTS = {
    "filters": "Filters of {layer} of {model} before and after training",
    "predictions": "Test images with the predictions of {model}",
}


@dataclass(frozen=True, slots=True)
class RunPicture:
    """A picture of one model of a run as a data URI; `kind` is `filters` of a layer or `predictions`."""

    model: str
    kind: str
    layer: str
    uri: str

    @property
    def text(self) -> str:
        """The description for readers who do not see the picture."""
        return _TEXTS[self.kind].format(model=self.model, layer=self.layer)


@dataclass(frozen=True, slots=True)
class ReportRun:
    """A run that was read from its folder; `verdict` has sentences on accuracy for cost."""

    name: str
    figures: SavedRun
    verdict: Sequence[str]
    pictures: Sequence[RunPicture]
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


def _pictures(folder: RunFolder, models: Sequence[str]) -> list[RunPicture]:
    """Return the pictures in files named `filters-MODEL-LAYER` and `predictions-MODEL`: as SVG, or else as PNG.

    The charts of all models are drawn in the page itself.
    """
    pictures = []
    for stem in sorted({path.stem for path in folder.pictures.glob("*-*.*") if path.suffix in (".svg", ".png")}):
        kind, _, rest = stem.partition("-")
        owner = max((model for model in models if f"{rest}-".startswith(f"{plain_name(model)}-")), key=len, default="")
        if owner and kind in _TEXTS:
            layer = rest.removeprefix(plain_name(owner)).removeprefix("-")
            path = folder.pictures / f"{stem}.svg"
            uri = _svg_uri(path) if path.is_file() else _png_uri(path.with_suffix(".png"))
            pictures.append(RunPicture(owner, kind, layer, uri))
    return pictures


def _svg_uri(path: Path) -> str:
    """Return SVG as a data URI, which no script in it survives; it is light or dark as the page is."""
    content = path.read_bytes()
    if not content.startswith(b"<svg"):
        raise UsageError(f"'{path}' is not a readable SVG")
    return f"data:image/svg+xml;base64,{b64encode(content).decode()}"


def _png_uri(path: Path) -> str:
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
