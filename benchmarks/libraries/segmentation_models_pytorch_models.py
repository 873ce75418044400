"""Every decoder of segmentation-models-pytorch on six encoders."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import segmentation_models_pytorch as smp

from libraries.case import Case, image

ENCODERS = ("resnet18", "efficientnet-b0", "mobilenet_v2", "mit_b0", "timm-regnetx_002", "tu-convnext_atto")


def cases() -> Iterator[Case]:
    """Yield the combinations that the library allows."""
    for decoder in sorted(smp.MODEL_ARCHITECTURES_MAPPING):
        for encoder in ("tu-vit_tiny_patch16_224",) if decoder == "dpt" else ENCODERS:
            if encoder == "mit_b0" and decoder in ("linknet", "unetplusplus"):
                continue
            build = partial(smp.create_model, decoder, encoder_name=encoder, encoder_weights=None)
            yield Case("segmentation_models_pytorch", f"{decoder} on {encoder}", build, _images)


def _images(batch: int) -> Any:
    return image(batch, 3, 224, 224)
