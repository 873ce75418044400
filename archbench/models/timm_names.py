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
# The same under other names.
_RENAMED = {
    "mnasnet0_5": "mnasnet_050",
    "mnasnet0_75": "mnasnet_075",
    "mnasnet1_0": "mnasnet_100",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v3_large": "mobilenetv3_large_100",
    "mobilenet_v3_small": "mobilenetv3_small_100",
    "regnet_x_800mf": "regnetx_008",
    "regnet_x_1_6gf": "regnetx_016",
    "regnet_x_3_2gf": "regnetx_032",
    "regnet_x_8gf": "regnetx_080",
    "regnet_x_16gf": "regnetx_160",
    "regnet_x_32gf": "regnetx_320",
    "regnet_y_400mf": "regnety_004",
    "regnet_y_1_6gf": "regnety_016",
    "regnet_y_3_2gf": "regnety_032",
    "regnet_y_16gf": "regnety_160",
    "regnet_y_32gf": "regnety_320",
    "swin_t": "swin_tiny_patch4_window7_224",
    "swin_s": "swin_small_patch4_window7_224",
    "swin_b": "swin_base_patch4_window7_224",
    "vit_b_16": "vit_base_patch16_224",
    "vit_b_32": "vit_base_patch32_224",
    "vit_l_16": "vit_large_patch16_224",
}
TORCHVISION = {**{name: name for name in _TORCHVISION}, **_RENAMED}
# The same for the zoo, whose resnet50 is that of the paper: torchvision and timm have v1.5.
ZOO = {
    **{name: name for name in _TORCHVISION if name.startswith("vgg") or name in ("resnet18", "resnet34")},
    **{f"resnet{depth}_v1_5": f"resnet{depth}" for depth in (50, 101, 152)},
}


def timm_name(address: str) -> str | None:
    """Return timm's name of the architecture at an address; None where timm has no equal one, or with arguments."""
    place, _, name = address.rpartition(":")
    if place == "timm" and "?" not in name and "@" not in name:
        return architecture(name)
    if place == "torchvision":
        return TORCHVISION.get(name)
    return None if place else ZOO.get(name)


def architecture(name: str) -> str:
    """Return the architecture in timm's name of pretrained weights: `resnet50` for `resnet50.a1_in1k`."""
    return name.partition(".")[0]
