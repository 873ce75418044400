"""Inputs as people type them first: with the batch, for models without a usual input, for several models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import archbench as library
from archbench.errors import InputError

NET = """
import torch
from torch import nn

class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x)

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.linear(x)

    @staticmethod
    def example_inputs(batch):
        return torch.empty(batch, 4)

class Video(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(1, 4, 3)

    def forward(self, x):
        return self.conv(x)

class Two(nn.Module):
    def forward(self, image, table):
        return image.mean((1, 2, 3))[:, None] + table
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)


class Own(nn.Linear):
    """A module that brings its own inputs."""

    @staticmethod
    def example_inputs(batch):
        return torch.empty(batch, 4)


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        ("torchvision:resnet18 --input 1x3x64x64", "--input 3x64x64"),
        ("lenet --input 8x1x32x32 --batch 8", "--input 1x32x32"),
        ("lenet --input 1x1x5x5", "--input 1x5x5"),  # too small, but the usual input has three dimensions
        ("net.py:CNN --input 1x3x9x9 --batch 2", "--input 3x9x9"),
        ("net.py:Video --input 1x1x9x9x9", "--input 1x9x9x9"),
        ("net.py:Two --input 1x3x8x8 --input 1x5", "--input 3x8x8 --input 5"),
    ],
)
def test_summary_of_a_shape_with_the_batch_says_how_it_is_written_without(archbench, net, arguments, right):
    name = arguments.split()[0]
    expected = f"archbench: {name}: the shape includes the batch; write it without: {right}\n"
    assert archbench("summary", *arguments.split()) == (2, "", expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        # An image of one channel and a clip of three are not taken for batches.
        ("net.py:CNN --input 1x9x9", "it takes 3 channels, not 1"),
        ("net.py:Video --input 3x9x9x9", "it takes 1 channels, not 3"),
        ("net.py:CNN --input 8x3x9x9", "it takes 3 channels, not 8"),
    ],
)
def test_summary_of_other_shapes_that_do_not_fit_names_the_layer(archbench, net, arguments, message):
    code, _, err = archbench("summary", *arguments.split())
    assert (code, "layer conv" in err, "includes the batch" in err) == (2, True, False)
    assert message in err


def test_summary_of_clips_takes_four_dimensions(archbench, net):
    assert archbench("summary", "net.py:Video", "--input", "1x9x9x9")[0] == 0
    assert archbench("summary", "net.py:Video", "--input", "1x1x9x9")[0] == 2


def test_summarize_names_the_argument_in_python():
    with pytest.raises(InputError, match=r"Conv2d: the shape includes the batch; write it without: inputs='3x9x9'"):
        library.summarize(nn.Conv2d(3, 4, 3), "1x3x9x9")


def test_the_model_itself_is_named_where_its_own_forward_fails(archbench, net):
    err = archbench("summary", "net.py:Two", "--input", "7", "--input", "5")[2]
    assert "net.py:Two: the model itself (Two) fails on input 1x7, 1x5: " in err


def test_summary_without_a_usual_input_names_the_option_and_the_function(archbench, net):
    expected = "has no usual input; give one, such as --input 3x224x224, or define example_inputs(batch) in its file\n"
    assert archbench("summary", "net.py:CNN")[2] == f"archbench: net.py:CNN {expected}"


def test_compare_and_summarize_take_the_example_of_a_class(archbench, net):
    assert archbench("compare", "net.py:Own", "lenet")[0] == 0
    # 4 x 4 weights per sample
    assert library.summarize("net.py:Own", batch=3).totals.macs == 3 * 16
    assert library.summarize(Own(4, 4), batch=3).totals.macs == 3 * 16


def test_an_example_that_fails_is_one_line(archbench, tmp_path):
    (tmp_path / "bad.py").write_text(f"{NET}\nOwn.example_inputs = staticmethod(lambda batch: 1 / 0)\n")
    code, _, err = archbench("summary", f"{tmp_path}/bad.py:Own")
    assert code == 2
    assert "example_inputs(1) fails: ZeroDivisionError" in err


@pytest.mark.parametrize("command", ["compare", "memory", "estimate --device t4"])
def test_an_input_that_does_not_fit_another_model_proposes_example_inputs(archbench, net, command):
    name, *options = command.split()
    code, _, err = archbench(name, "net.py:CNN", "alexnet", "--input", "3x32x32", *options)
    assert code == 2
    assert "alexnet: layer pool2 (MaxPool2d) fails" in err
    assert err.endswith(
        "--input is for every model: a model without a usual input can have its own, by example_inputs(batch)"
        " in its file\n"
    )
    assert "for every model" not in archbench(name, "alexnet", "--input", "3x32x32", *options)[2]


def test_estimate_on_this_machine_names_the_command_that_measures_it(archbench, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert archbench("estimate", "lenet", "--device", "this_cpu") == (
        2,
        "",
        "archbench: 'this_cpu' is not measured yet; 'archbench devices --measure' measures this machine\n",
    )


def test_styles_in_a_name_are_shown_escaped(archbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a\x1b[31m.py").write_text(NET)
    for command in ("summary a\x1b[31m.py", "explain a\x1b[31m.py:Own", "compare a\x1b[31m.py:CNN"):
        _, out, err = archbench(*command.split())
        assert "\x1b" not in out + err
        assert r"a\x1b[31m.py:" in out + err


def test_an_unknown_format_is_refused_in_words_of_its_own(archbench):
    code, _, err = archbench("summary", "lenet", "--format", "html")
    assert (code, "Value error" in err, "'html' is not one of 'table', 'csv'" in err) == (2, False, True)
