"""Builders of models in torchvision and timm, and the usual input of each."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archbench.errors import AddressError, nearest
from archbench.models.user_code import import_module

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder, and what its library or file states about it."""

    builder: Callable[..., nn.Module]
    input_shape: tuple[int, ...] | None = None
    example_inputs: Callable[[int], Any] | None = None
    home: Path | None = None


def from_torchvision(name: str) -> Builder:
    """Return a builder that torchvision registers. Raises AddressError, with the nearest name, if there is none."""
    models = import_module("torchvision.models", f"torchvision:{name}")
    if name not in models.list_models():
        raise AddressError(f"torchvision has no model '{name}'{nearest(name, models.list_models())}")
    builder = models.get_model_builder(name)
    if "weights_backbone" in inspect.signature(builder).parameters:
        builder = functools.partial(builder, weights_backbone=None)  # nothing is downloaded
    return Builder(builder, input_shape=_torchvision_input(models, name))


def from_timm(name: str) -> Builder:
    """Return a builder that timm registers. Raises AddressError, with the nearest name, if there is none."""
    timm = import_module("timm", f"timm:{name}")
    if name not in timm.list_models():
        raise AddressError(f"timm has no model '{name}'{nearest(name, timm.list_models())}")
    return Builder(functools.partial(timm.create_model, name), input_shape=_timm_input(timm, name))


def usual_input(library: str, name: str) -> tuple[int, ...] | None:
    """Return the usual input of a library's model, without building it; None if the library states none."""
    if library == "timm":
        return _timm_input(import_module("timm", f"timm:{name}"), name)
    return _torchvision_input(import_module("torchvision.models", f"torchvision:{name}"), name)


def _torchvision_input(models: Any, name: str) -> tuple[int, ...] | None:
    # The model is built for the smallest size that published weights were evaluated at; others were fine-tuned on
    # larger images. Segmentation, detection and video weights have no such field.
    sizes = [getattr(w.transforms, "keywords", {}).get("crop_size") for w in models.get_model_weights(name)]
    size = min((size for size in sizes if isinstance(size, int)), default=None)
    return (3, size, size) if size else None


def _timm_input(timm: Any, name: str) -> tuple[int, ...] | None:
    configuration = timm.get_pretrained_cfg(name)
    return None if configuration is None else tuple(configuration.input_size)
