"""Every builder of torchvision, at the input size of its weights; detectors at 320 pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from libraries.case import Case, image

SIDE = 320  # of the images for detectors, which run on real values


def cases() -> Iterator[Case]:
    """Yield the builders by name, quantizable ones before and after quantization."""
    for name in models.list_models():
        builder = models.get_model_builder(name)
        module = builder.__module__.removeprefix("torchvision.models.")
        if module.startswith("detection"):
            yield _detector(name)
        elif module.startswith("quantization"):
            build = partial(models.get_model, name, weights=None)
            sizes = _size(name)
            yield Case("torchvision", name, build, partial(_images, sizes))
            quantized = partial(models.get_model, name, weights=None, quantize=True)
            yield Case("torchvision", f"{name}, quantize=True", quantized, partial(_images, sizes), modes=("eval",))
        else:
            yield Case("torchvision", name, _builder(name), partial(_inputs, module, _size(name)))


def _builder(name: str) -> Callable[[], nn.Module]:
    """Return a builder without weights."""
    if name.startswith("lraspp"):
        return partial(models.get_model, name, weights=None, weights_backbone=None)
    if name.startswith(("deeplab", "fcn")):  # the published weights have an auxiliary head
        return partial(models.get_model, name, weights=None, weights_backbone=None, aux_loss=True)
    if name.startswith("vit"):
        return partial(models.get_model, name, weights=None, image_size=_size(name)[-1])
    if name in ("googlenet", "inception_v3"):
        return partial(models.get_model, name, weights=None, init_weights=False)
    return partial(models.get_model, name, weights=None)


def _size(name: str) -> tuple[int, ...]:
    """Return the input size of a model's default weights, without the batch; for optical flow that of its figures."""
    transforms = models.get_model_weights(name).DEFAULT.transforms()
    crop = getattr(transforms, "crop_size", None)
    if crop is None:
        return (3, 520, 520) if hasattr(transforms, "resize_size") else (3, 512, 512)
    side = crop[0] if isinstance(crop, (list, tuple)) else crop
    if hasattr(transforms, "antialias"):
        return (3, side, side)
    height, width = (crop[0], crop[-1]) if isinstance(crop, (list, tuple)) else (crop, crop)
    return (3, 16, height, width)


def _images(sizes: tuple[int, ...], batch: int) -> Any:
    return image(batch, *sizes)


def _inputs(module: str, sizes: tuple[int, ...], batch: int) -> Any:
    """Return a batch of images or videos; for optical flow two images."""
    if module.startswith("optical_flow"):
        return (image(batch, *sizes), image(batch, *sizes))
    return image(batch, *sizes)


def _detector(name: str) -> Case:
    build = partial(models.get_model, name, weights=None, weights_backbone=None, **_sizes_of(name))
    return Case("torchvision", name, build, _pictures, partial(_pictures_with_targets, "keypoint" in name))


def _sizes_of(name: str) -> dict[str, int]:
    """Return arguments that keep a detector from enlarging its images."""
    return {} if name.startswith("ssd") or name.endswith("_320_fpn") else {"min_size": SIDE, "max_size": SIDE}


def _pictures(batch: int) -> Any:
    """Return a list of images with values: detectors choose boxes by what they compute."""
    generator = torch.Generator().manual_seed(0)
    return ([torch.rand(3, SIDE, SIDE, generator=generator) for _ in range(batch)],)


def _pictures_with_targets(has_keypoints: bool, batch: int) -> Any:
    """Return images and, for each, a box with its label, mask and keypoints."""
    target: dict[str, Tensor] = {
        "boxes": torch.tensor([[40.0, 40.0, 200.0, 240.0]]),
        "labels": torch.tensor([1]),
        "masks": torch.ones(1, SIDE, SIDE, dtype=torch.uint8),
    }
    if has_keypoints:
        target["keypoints"] = torch.full((1, 17, 3), 100.0)
    return (*_pictures(batch), [dict(target) for _ in range(batch)])
