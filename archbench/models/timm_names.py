"""Names of models in timm, whose published results have timm's names."""

from __future__ import annotations

# Architectures that torchvision has under the name of timm's, with as many parameters and MACs.
_TORCHVISION = frozenset(
    f"{family}{size}"
    for family, sizes in {
        "convnext_": "tiny small base large",
        "densenet": "121 161 169 201",
        "efficientnet_b": "0 1 2 3 4 5 6 7",
        "resnet": "18 34 50 101 152",
        "resnext": "50_32x4d 101_32x8d 101_64x4d",
        "vgg": "11 11_bn 13 13_bn 16 16_bn 19 19_bn",
        "wide_resnet": "50_2 101_2",
    }.items()
    for size in sizes.split()
)
# The same for the zoo.
_ZOO = frozenset(name for name in _TORCHVISION if name.startswith("vgg"))


def timm_name(address: str) -> str | None:
    """Return timm's name of the architecture at an address; None where timm has no equal one, or with arguments."""
    place, _, name = address.rpartition(":")
    if place == "timm" and "?" not in name and "@" not in name:
        return architecture(name)
    same = {"torchvision": _TORCHVISION, "": _ZOO}.get(place, frozenset())
    return name if name in same else None


def architecture(name: str) -> str:
    """Return the architecture in timm's name of pretrained weights: `resnet50` for `resnet50.a1_in1k`."""
    return name.partition(".")[0]
