from __future__ import annotations

import sys
import textwrap

import pytest
import torch

from archbench.address import find, model_names
from archbench.errors import AddressError


def parameters(address):
    return sum(parameter.numel() for parameter in find(address).build().parameters())


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A user's file in the working directory."""
    (tmp_path / "helper_of_net.py").write_text("WIDTH = 3\n")
    (tmp_path / "net.py").write_text(
        textwrap.dedent(
            """
            from torch import nn
            from helper_of_net import WIDTH

            class Net(nn.Module):
                def __init__(self, width=WIDTH, bias=True):
                    super().__init__()
                    self.layer = nn.Linear(width, 2, bias=bias)

                def forward(self, x):
                    return self.layer(x)

            def small():
                return Net(1)

            def wrong():
                return 42
            """
        )
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("net", "helper_of_net"):
        sys.modules.pop(name, None)


def test_the_zoo_is_found_by_bare_names():
    assert {"alexnet", "zfnet", "vgg16", "lenet5"} <= set(model_names())
    assert model_names() == sorted(model_names())
    assert parameters("alexnet") == 60_965_224


def test_classes_and_arguments_are_passed_on():
    # The last layer of 4096 features: 990 classes fewer, each with a bias.
    assert parameters("alexnet") - parameters("alexnet@10") == 990 * 4097
    source = find("lenet@7?activation=relu&init=paper")
    assert source.arguments == {"num_classes": 7, "activation": "relu", "init": "paper"}


def test_a_library_is_found_by_its_name():
    assert parameters("torchvision:resnet18") == 11_689_512
    assert parameters("torchvision:resnet18@10") == 11_689_512 - 990 * 513


def test_a_file_and_a_module_are_found(net):
    assert parameters("net.py:Net") == 3 * 2 + 2
    assert parameters(f"{net}/net.py:Net?width=5&bias=False") == 10
    assert parameters("net:small") == 2 + 2


def test_nothing_is_allocated():
    assert all(tensor.is_meta for tensor in find("vgg19").build().parameters())


def test_building_draws_no_random_numbers_and_leaves_no_mode_behind():
    before = torch.get_rng_state()
    find("vgg16?init=kaiming").build()
    assert torch.equal(before, torch.get_rng_state())
    assert torch.empty(1).device.type == "cpu"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("vgg61", "there is no model 'vgg61'; did you mean 'vgg16'?"),
        ("", "there is no model ''; 'archbench list' shows the models there are"),
        ("vgg16@ten", "'@ten' is no number of classes"),
        ("vgg16@0", "'@0' is no number of classes"),
        ("vgg16?a", "'a' is no argument"),
        ("vgg16?inti=paper", "takes num_classes, init, not 'inti'; did you mean 'init'?"),
        ("lenet?activation=gelu", "activation is one of relu, sigmoid, tanh, not 'gelu'"),
        ("torchvision:resnet51", "torchvision has no model 'resnet51'; did you mean 'resnet50'?"),
        ("no_such_package.models:Net", "there is no module 'no_such_package'"),
        ("missing.py:Net", "there is no file 'missing.py'"),
        ("net.py:Nett", "there is no class or function 'Nett'; did you mean 'Net'?"),
        ("net.py:wrong", "gives a int, not a torch.nn.Module"),
        ("net.py:Net?widht=3", "did you mean 'width'?"),
    ],
)
def test_a_wrong_address_is_told_with_what_is_near(address, message, net):
    with pytest.raises(AddressError) as error:
        find(address).build()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
