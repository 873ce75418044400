"""Patterns stand for several models, in the order of their source."""

from __future__ import annotations

import pytest

import archbench
from archbench.errors import AddressError
from archbench.models.address import is_pattern
from archbench.models.patterns import expanded


def test_compare_takes_a_pattern_in_the_order_of_the_zoo():
    assert [row.model for row in archbench.compare("vgg1[13]*@10").rows] == [
        "vgg11@10", "vgg11_bn@10", "vgg11_lrn@10", "vgg13@10", "vgg13_bn@10",
    ]  # fmt: skip


def test_memory_takes_a_pattern_of_a_library():
    rows = archbench.memory(["lenet", "torchvision:resnet[13][48]"]).to_dict()
    assert [row["model"] for row in rows] == ["lenet", "torchvision:resnet18", "torchvision:resnet34"]


def test_what_is_named_twice_on_purpose_stays_and_a_pattern_adds_what_is_missing():
    assert expanded(["lenet", "lenet", "lenet*"]) == ["lenet", "lenet", "lenet5"]
    assert expanded(["LeNet*?init=torch"]) == ["lenet?init=torch", "lenet5?init=torch"]


def test_a_pattern_of_a_file_is_its_modules_in_their_order(tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\nclass B(nn.Module): ...\nclass A(nn.Module): ...\ndef f(): ...\n"
    )
    assert expanded([f"{tmp_path}/net.py:*"]) == [f"{tmp_path}/net.py:B", f"{tmp_path}/net.py:A"]


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("vgg*", True),
        ("timm:vit_[bt]*", True),
        ("vgg16?init=paper", False),
        ("net.py:Net?sizes=[1,2]", False),
        ("a[1]/net.py:Net", False),
        ("net[1].py", False),
    ],
)
def test_only_a_star_or_a_bracket_in_the_name_makes_a_pattern(address, is_one):
    assert is_pattern(address) is is_one


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("vgx*", "no model matches 'vgx*'; the nearest name is 'vgg11'"),
        ("torchvision:ressnet*", "no model matches 'torchvision:ressnet*'; the nearest name is 'torchvision:resnet18'"),
        ("mobilenet_v2*", "no model matches 'mobilenet_v2*'; did you mean 'torchvision:mobilenet_v2*'?"),
        ("package.models:*", "'package.models' has no list of models; patterns are for the zoo, torchvision:, timm:"),
        ("nope.py:*", "there is no file 'nope.py'"),
        ("git:HEAD:net.py:*", "'git:HEAD:net.py' has no list of models"),
        ("vgg[1", "no model matches 'vgg[1'; the nearest name is 'vgg11'"),
        ("$$$*", "no model matches '$$$*'"),
    ],
)
def test_a_pattern_that_matches_nothing_names_the_nearest(pattern, message):
    with pytest.raises(AddressError) as error:
        archbench.compare(pattern)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
