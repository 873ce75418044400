"""Addresses as people type them first are answered with the right form, and no file is run for it."""

from __future__ import annotations

import pytest

from archbench.errors import AddressError
from archbench.models.address import find
from archbench.models.file_names import builders_in, classes_in
from archbench.models.library_names import library_names

FILE = """
raise RuntimeError("this file must not be run")
import torch.nn as nn
from elsewhere import Base

class Block(nn.Module):
    pass

class Net(Block):
    def __init__(self, width=8):
        self.block = Block()

class Other(Base):
    def forward(self, x):
        return x

class Config:
    pass

class _Private(nn.Module):
    pass

def small():
    return Net(4)

def example_inputs(batch):
    return None
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(FILE)
    (tmp_path / "weights.pt").write_bytes(b"\x80")
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "one.py").write_text("from torch import nn\nclass Only(nn.Module): ...\n")
    (tmp_path / "folder.py").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def message(address):
    with pytest.raises(AddressError) as error:
        find(address)
    return str(error.value)


def test_the_names_read_from_torchvisions_source_are_those_that_it_lists():
    torchvision = pytest.importorskip("torchvision")
    assert list(library_names("torchvision")) == torchvision.models.list_models()


def test_the_names_read_from_timms_source_are_those_that_it_lists():
    timm = pytest.importorskip("timm")
    assert list(library_names("timm")) == timm.list_models()


def test_a_library_that_is_not_installed_has_no_names():
    assert library_names("no_such_library") == ()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("squeezenet1_0", "there is no model 'squeezenet1_0' in the zoo; did you mean 'torchvision:squeezenet1_0'?"),
        ("squeezenet1_0@10", "no model 'squeezenet1_0' in the zoo; did you mean 'torchvision:squeezenet1_0@10'?"),
        ("squeezenet1_0?a=2", "no model 'squeezenet1_0' in the zoo; did you mean 'torchvision:squeezenet1_0?a=2'?"),
        ("SqueezeNet1_0", "there is no model 'SqueezeNet1_0'; did you mean 'torchvision:squeezenet1_0'?"),
        ("squeezenet1", "there is no model 'squeezenet1'; did you mean 'torchvision:squeezenet1_0'?"),
        ("ResNet18", "there is no model 'ResNet18'; did you mean 'resnet18'?"),
        ("torchvision.models.resnet18", "did you mean 'torchvision:resnet18'?"),
        ("torchvision/resnet18", "did you mean 'torchvision:resnet18'?"),
        ("torchvision", "'torchvision' is a library; 'archbench list --from torchvision' lists its models"),
        ("vgg61", "there is no model 'vgg61'; did you mean 'vgg16'?"),
        ("something else", "there is no model 'something else'; 'archbench list' lists the models"),
        ("vgg*", "'vgg*' is a pattern for several models; here one is expected"),
    ],
)
def test_summary_of_a_bare_name_proposes_the_address_in_a_library(address, expected, monkeypatch):
    known = {"torchvision": ("resnet101", "resnet18", "squeezenet1_0", "vgg16")}
    monkeypatch.setattr("archbench.models.suggestions.library_names", lambda library: known.get(library, ()))
    assert expected in message(address)


def test_both_libraries_are_proposed_where_both_have_the_name(monkeypatch):
    monkeypatch.setattr("archbench.models.suggestions.library_names", lambda library: ("densenet121",))
    assert message("densenet121").endswith("did you mean 'torchvision:densenet121' or 'timm:densenet121'?")


# Net uses Block, so Block comes after what nothing uses; functions come last.
IN_NET = "'net.py' is a file; name the class or function in it: net.py:Net, net.py:Other, net.py:Block or net.py:small"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("net.py", IN_NET),
        ("net.py:", IN_NET),
        ("net.py?width=64", IN_NET),
        ("net", IN_NET),
        ("net.Nix", IN_NET),
        ("net.Net", "there is no model 'net.Net'; did you mean 'net.py:Net'?"),
        ("net.py::Net", "'net.py::Net' has one colon too many; write net.py:Net"),
        ("one.py", "'one.py' is a file; name the class or function in it: one.py:Only"),
        ("nte.py", "there is no file 'nte.py'; did you mean 'net.py'?"),
        ("weights.pt", "'weights.pt' is not a Python file; write path/to/file.py:Name"),
        ("folder.py", "there is no file 'folder.py'"),
        ("a" * 300, "there is no model 'aaa"),
        ("a" * 300 + ".py", "there is no file 'aaa"),
        ("a" * 300 + ".py:Net", "there is no file 'aaa"),
        ("empty.py", "'empty.py' defines no class or function that could build a model"),
        ("broken.py", "broken.py cannot be read as Python: SyntaxError: "),
    ],
)
def test_summary_of_a_file_names_what_is_in_it_without_running_it(address, expected, folder):
    assert message(address).startswith(expected)


def test_more_than_six_names_are_counted(folder):
    (folder / "many.py").write_text("".join(f"def net{number}(): ...\n" for number in range(9)))
    assert message("many.py").endswith("many.py:net4, many.py:net5 and 3 more")


def test_modules_are_known_by_their_bases_or_their_forward(folder):
    assert builders_in(folder / "net.py") == ["Net", "Other", "Block", "small"]
    assert classes_in(folder / "net.py") == ["Block", "Net", "Other"]


def test_a_module_object_is_answered_with_its_class_or_a_function_to_write(folder):
    (folder / "ready.py").write_text(
        "from torch import nn\nclass Net(nn.Linear): ...\nmine = Net(2, 2)\nplain = nn.Linear(2, 2)\n"
    )
    assert message("ready.py:mine").endswith("name the class or function that builds it, such as ready.py:Net")
    assert message("ready.py:plain").endswith("such as def make_plain(): return Linear(...)")
