"""Names of models as titles and labels show them, in place of addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archbench.models.card import Card


def model_title(address: str, card: Card | None) -> str:
    """Return a model's name: `AlexNet`, `VGG-16 (configuration D), vgg16@10`, `resnet50 (torchvision)`."""
    if card is not None:
        return card.title if not {"@", "?"} & set(address) else f"{card.title}, {address}"
    library, colon, name = address.partition(":")
    return f"{name} ({library})" if colon else address


def short_names(addresses: Iterable[str]) -> dict[str, str]:
    """Return each address without its arguments, where no two would have the same name.

    `vgg16_bn?size=32&head=small` is `vgg16_bn`, unless another one is `vgg16_bn` too.
    """
    short = {address: address.partition("?")[0] for address in addresses}
    counts = Counter(short.values())
    return {address: name if counts[name] == 1 else address for address, name in short.items()}
