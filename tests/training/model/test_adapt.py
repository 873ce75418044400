from __future__ import annotations

from math import sqrt

import pytest
import torch

from archbench.errors import AddressError, ArchbenchError, InputError, UsageError
from archbench.models.address import model_names
from archbench.training.model.adapt import adapt

DIGITS = (1, 8, 8)
CIFAR = (3, 32, 32)
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.last = nn.Linear(20, 5)  # defined first, runs last
        self.conv = nn.Conv2d(3, width, 3, stride=2)
        self.hidden = nn.Linear(width * 15 * 15, 20)

    def forward(self, x):
        return self.last(torch.relu(self.hidden(self.conv(x).flatten(1))))

def ByConvolution():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 7, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def Asks(num_classes=3):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, num_classes))

def Nothing():
    return nn.Flatten()

def Volume():
    return nn.Sequential(nn.Linear(32, 5))

class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3 * 32 * 32, 5)

    def forward(self, x):
        scores = self.a(x.flatten(1))
        return (scores, scores) if self.training else scores
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(NET)
    example = "\ndef example_inputs(batch):\n    return torch.zeros(batch, 3, 32, 32)\n"
    (tmp_path / "with_example.py").write_text(NET + example)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fit(address, data=CIFAR, classes=10, size=None, **options):
    torch.manual_seed(0)
    return adapt(address, data_shape=data, num_classes=classes, size=size, **options)


def gives(adapted):
    """Return the shape of the model's scores for two images."""
    with torch.inference_mode():
        return tuple(adapted.model.eval()(torch.zeros(2, *adapted.input_shape)).shape)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in model_names() if name != "lenet5"])
def test_adapt_makes_every_zoo_model_take_colour_images_of_96_pixels(monkeypatch, name):
    # To draw 130 million weights, twice, takes most of the time of building a network.
    for draw in ("normal_", "uniform_"):
        monkeypatch.setattr(torch.Tensor, draw, lambda self, *_, **__: self.fill_(0.01))
    size = 224 if name == "alexnet_nopad" else 96
    adapted = fit(name, size=size)
    assert adapted.input_shape == (3, size, size)
    assert gives(adapted) == (2, 10)
    assert not any(parameter.is_meta for parameter in adapted.model.parameters())


def test_lenet_takes_the_channels_of_the_data():
    assert fit("lenet", DIGITS).notes == ()
    assert fit("lenet", DIGITS).input_shape == (1, 32, 32)
    colour = fit("lenet", CIFAR)
    assert colour.input_shape == (3, 32, 32)
    assert colour.notes == ("input 3x32x32, not 1x32x32",)
    assert gives(colour) == (2, 10)


def test_other_models_keep_their_channels():
    adapted = fit("alexnet_owt", DIGITS, size=64)
    assert adapted.input_shape == (3, 64, 64)
    assert adapted.notes == (
        "the last layer, fc8, has 10 outputs, not 1,000",
        "input 3x64x64, not 3x224x224: 6x6 adaptive pooling before fc6",
        "grey images are repeated for its 3 channels",
    )
    assert adapted.model.fc6.in_features == 9216


def test_colour_is_turned_to_grey_where_a_model_was_asked_to_see_none():
    adapted = fit("lenet?in_channels=1", CIFAR)
    assert adapted.input_shape == (1, 32, 32)
    assert adapted.notes == ("colour images are turned to grey",)


@pytest.mark.slow
def test_auxiliary_classifiers_take_part_in_training_and_are_noted():
    adapted = fit("googlenet?aux=True", size=32)
    assert "its loss in training has 2 auxiliary classifiers, each weighted by 0.3" in adapted.notes
    assert [scores.shape for scores in adapted.model.train()(torch.randn(2, 3, 32, 32))] == [(2, 10)] * 3


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64, 96, 224])
def test_resnet_takes_any_size(size):
    adapted = fit("torchvision:resnet18", size=size)
    assert gives(adapted) == (2, 10)
    assert adapted.notes[0] == "the last layer, fc, has 10 outputs, not 1,000"
    assert (f"input 3x{size}x{size}, not 3x224x224" in adapted.notes) == (size != 224)


def test_a_small_head_needs_no_adaptive_pooling():
    adapted = fit("vgg11?head=small", size=32)
    assert adapted.notes == ("the last layer, fc8, has 10 outputs, not 1,000", "input 3x32x32, not 3x224x224")
    assert adapted.model.fc6.in_features == 512


def test_a_users_model_gets_another_last_layer_by_what_ran_last(net):
    adapted = fit("nets.py:Net", size=32)
    assert adapted.notes == (
        "the last layer, last, is replaced: 10 outputs, not 5",
        "weights start from kaiming, not from what its constructor draws",
    )
    assert gives(adapted) == (2, 10)
    weight = adapted.model.last.weight
    # 200 numbers of N(0, 0.01): their standard deviation scatters by 1 / sqrt(2 * 200).
    assert weight.std().item() == pytest.approx(0.01, rel=5 / sqrt(400))
    assert not adapted.model.last.bias.any()


def test_a_last_convolution_is_replaced_by_one_of_its_kind(net):
    adapted = fit("nets.py:ByConvolution", size=32)
    assert str(adapted.model[1]) == "Conv2d(4, 10, kernel_size=(1, 1), stride=(1, 1), bias=False)"
    assert gives(adapted) == (2, 10)


def test_a_model_that_fits_keeps_its_last_layer(net):
    adapted = fit("nets.py:Net", classes=5, size=32, initialisation="torch")
    assert adapted.notes == ()
    assert gives(adapted) == (2, 5)


def test_a_users_builder_is_asked_for_the_classes(net):
    adapted = fit("nets.py:Asks", size=32, initialisation="torch")
    assert adapted.notes == ("the last layer, 1, has 10 outputs, not 3",)


def test_grey_images_meet_a_users_model_of_three_channels(net):
    adapted = fit("nets.py:Net", DIGITS, size=32)
    assert adapted.input_shape == CIFAR
    assert "grey images are repeated for its 3 channels" in adapted.notes


def test_a_users_example_is_its_usual_input(net):
    assert fit("with_example.py:Net").input_shape == CIFAR


def test_the_weights_of_a_constructor_are_kept_outside_the_zoo(net):
    torch.manual_seed(0)
    adapted = fit("nets.py:Net", classes=5, size=32, keeps_own=True)
    assert (adapted.initialisation, adapted.notes) == ("torch", ())
    # torch draws the weights of a linear layer from ±1/√20, and biases too.
    assert adapted.model.last.weight.std().item() == pytest.approx(1 / sqrt(3 * 20), rel=5 / sqrt(200))
    assert adapted.model.last.bias.any()
    again = fit("nets.py:Net", classes=5, size=32)
    assert again.initialisation == "kaiming"
    assert not again.model.last.bias.any()


@pytest.mark.parametrize(
    ("address", "scheme"),
    [("lenet", "kaiming"), ("lenet?init=torch", "torch"), ("torchvision:resnet18", "torch"), ("nets.py:Asks", "torch")],
)
def test_models_of_the_zoo_start_from_the_recipes_weights_and_others_from_their_own(net, address, scheme):
    assert fit(address, size=32, keeps_own=True).initialisation == scheme


def test_an_address_may_say_the_size_and_the_initialisation():
    adapted = fit("vgg11?size=64&head=small&init=torch")
    assert adapted.input_shape == (3, 64, 64)
    assert adapted.notes == ("the last layer, fc8, has 10 outputs, not 1,000",)
    assert adapted.model.fc8.bias.any()  # torch's biases are no zeros


def test_a_zoo_model_is_initialised_by_itself_even_as_in_its_paper():
    adapted = fit("alexnet_owt?head=small", size=64, initialisation="paper")
    assert (adapted.model.conv2.bias == 1).all()
    assert not any("weights" in note for note in adapted.notes)


def test_all_weights_are_drawn_by_the_scheme_asked_for():
    model = fit("torchvision:resnet18", size=32).model
    weight = model.layer4[0].conv1.weight
    assert weight.var().item() == pytest.approx(2 / (256 * 9), rel=5 * sqrt(2 / weight.numel()))
    assert (model.bn1.weight == 1).all()
    assert model.fc.weight.std().item() == pytest.approx(0.01, rel=5 / sqrt(2 * 5120))


@pytest.mark.parametrize("address", ["lenet", "torchvision:resnet18"])
def test_the_same_seed_gives_the_same_weights(address):
    first, second = (fit(address, DIGITS).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_lenet5_reads_digits_only():
    assert fit("lenet5", DIGITS).notes == ()
    assert gives(fit("lenet5", DIGITS)) == (2, 10)


@pytest.mark.parametrize(
    ("address", "options", "error", "message"),
    [
        ("lenet5", {}, AddressError, "lenet5 is for grey images of digits; in_channels cannot be 3"),
        ("lenet5", {"data": DIGITS, "classes": 7}, AddressError, "num_classes cannot be 7"),
        ("lenet5", {"data": DIGITS, "size": 28}, InputError, "1x32x32, its usual input, is the smallest that works"),
        ("alexnet_owt", {"size": 32}, AddressError, "alexnet_owt: size must be at least 63 for this network, not 32"),
        ("vgg11@7", {"size": 32}, InputError, "vgg11@7 has 7 outputs, and the data has 10 classes"),
        ("vgg11?size=64", {"size": 32}, InputError, "vgg11?size=64 is built for 3x64x64, not for size=32"),
        ("lenet", {"initialisation": "kaimin"}, AddressError, "did you mean 'kaiming'?"),
        ("torchvision:resnet18", {"initialisation": "paper"}, UsageError, "there are kaiming, torch, xavier"),
        ("torchvision:fcn_resnet50", {"size": 64}, InputError, "returns 10x64x64 in training, not one score"),
        ("torchvision:resnet18", {"data": (4, 9, 9)}, InputError, "images of 3 channels, and the data has 4"),
        ("nets.py:Net", {"size": 64}, InputError, "it takes 1800 features, not 7688; 3x31x31 is the smallest square"),
        ("nets.py:Net", {}, InputError, "nets.py:Net has no usual input; give a size, such as size=32"),
        ("nets.py:Nothing", {"size": 32}, InputError, "nets.py:Nothing has no convolution or linear layer"),
        ("nets.py:Volume", {"size": 32}, InputError, "returns 3x32x5 in training, not one score for each class"),
        ("nets.py:Twice", {"size": 32}, InputError, "returns 5 and 5 in training, not one score for each class"),
    ],
)
def test_what_cannot_be_fitted_is_told_in_one_line(net, address, options, error, message):
    with pytest.raises(error) as told:
        fit(address, **options)
    assert isinstance(told.value, ArchbenchError)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_an_example_that_fails_or_is_no_image_is_told(net):
    (net / "fails.py").write_text("def example_inputs(batch):\n    return 1 / 0\n" + NET)
    with pytest.raises(InputError, match=r"example_inputs\(1\) fails: ZeroDivisionError") as told:
        fit("fails.py:Net")
    assert "return 1 / 0" in " ".join(told.value.user_lines)
    (net / "text.py").write_text("import torch\ndef example_inputs(batch):\n    return torch.zeros(batch, 7)\n" + NET)
    with pytest.raises(InputError, match=r"text\.py:Net takes 7, not an image"):
        fit("text.py:Net")
