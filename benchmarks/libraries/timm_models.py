"""Every architecture of timm, at its usual input size."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import timm

from libraries.case import Case, image


def cases() -> Iterator[Case]:
    """Yield the architectures by name; pretrained weights, which timm may have several of, make no difference."""
    for name in timm.list_models():
        size = timm.get_pretrained_cfg(name, allow_unregistered=False)
        yield Case("timm", name, partial(timm.create_model, name), partial(_images, size))


def _images(configuration: Any, batch: int) -> Any:
    return image(batch, *configuration.input_size)
