"""`archbench list` names models by the addresses that other commands take."""

from __future__ import annotations

import pytest

import archbench as library
from archbench.errors import UsageError


def names(text):
    return [line.split()[0] for line in text.splitlines()[1:]]


def test_list_takes_a_pattern_or_a_word(archbench):
    code, out, _ = archbench("list", "lenet*")
    assert (code, names(out)) == (0, ["lenet", "lenet5"])
    assert names(archbench("list", "ENET5")[1]) == ["lenet5"]


def test_list_from_torchvision_gives_addresses_and_usual_inputs(archbench):
    code, out, err = archbench("list", "--from", "torchvision", "resnet*")
    assert (code, err) == (0, "")
    # As torchvision's documentation lists them; each has weights that were evaluated at 224 pixels.
    sizes = (101, 152, 18, 34, 50)
    assert [line.split() for line in out.splitlines()] == [
        ["Model", "Input"],
        *([f"torchvision:resnet{size}", "3x224x224"] for size in sizes),
    ]
    assert archbench("list", "torchvision:resnet*") == (0, out, "")


def test_list_never_shortens_an_address(archbench, monkeypatch):
    pytest.importorskip("timm")
    monkeypatch.setenv("COLUMNS", "40")
    out = archbench("list", "--from", "timm", "vit_base_patch14_reg4_dinov2")[1]
    assert "timm:vit_base_patch14_reg4_dinov2" in out


def test_list_models_in_python():
    cards = library.list_models("resnet1[8]", "torchvision")
    assert [(card.name, card.input_shape, card.title) for card in cards] == [
        ("torchvision:resnet18", (3, 224, 224), None)
    ]
    assert len(library.list_models("torchvision:raft_small")) == 1
    assert [card.year for card in library.list_models("zfnet")] == [2013, 2013]
    with pytest.raises(UsageError, match="source='tensorflow' is not one of torchvision, timm"):
        library.list_models(source="tensorflow")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("vgx*", "no model matches 'vgx*'; the nearest name is 'vgg11'"),
        ("mobilenet_v2", "no model matches '*mobilenet_v2*'; did you mean 'torchvision:*mobilenet_v2*'?"),
        ("--from timn", "Invalid value for '--from': 'timn' is not one of 'torchvision', 'timm'; did you mean 'timm'?"),
        ("--from timm torchvision:vgg*", "--from timm and 'torchvision:vgg*' name different sources; leave one out"),
    ],
)
def test_list_of_nothing_is_one_line_and_exit_code_2(archbench, arguments, message):
    assert archbench("list", *arguments.split()) == (2, "", f"archbench: {message}\n")
