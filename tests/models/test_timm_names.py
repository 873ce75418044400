from __future__ import annotations

import pytest

import archbench
from archbench.models.address import model_names
from archbench.models.timm_names import TORCHVISION, ZOO, timm_name


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("timm:vit_base_patch16_224", "vit_base_patch16_224"),
        ("timm:resnet50.a1_in1k", "resnet50"),
        ("torchvision:resnet50", "resnet50"),
        ("torchvision:vit_b_16", "vit_base_patch16_224"),
        ("vgg16", "vgg16"),
        ("resnet18", "resnet18"),
        ("resnet50_v1_5", "resnet50"),
        # Other architectures, whatever their names: an auxiliary classifier, other classes, other arguments, own files.
        ("torchvision:inception_v3", None),
        ("torchvision:regnet_y_8gf", None),
        ("resnet50", None),
        ("vgg16@10", None),
        ("timm:resnet50?num_classes=10", None),
        ("vgg16?init=paper", None),
        ("net.py:resnet50", None),
        ("alexnet", None),
    ],
)
def test_addresses_map_to_timm_s_names_where_the_architecture_is_the_same(address, name):
    assert timm_name(address) == name


def counts(address):
    totals = archbench.summarize(address, "3x224x224").totals
    return totals.params, totals.macs


# The largest take seconds each, and belong to the families of the others.
@pytest.mark.parametrize("name", sorted(name for name in TORCHVISION if name[-2:] not in ("b5", "b6", "b7")))
def test_models_that_are_the_same_have_equal_counts(name):
    pytest.importorskip("timm")
    assert counts(f"torchvision:{name}") == counts(f"timm:{TORCHVISION[name]}")


def test_models_of_the_zoo_that_timm_has_equal_torchvision_s():
    assert set(model_names()) >= set(ZOO)
    for name, other in ZOO.items():
        assert counts(name) == counts(f"torchvision:{other}")
