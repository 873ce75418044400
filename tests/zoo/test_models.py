"""What a user does with a zoo model: run it, train it, compile and export it, load weights into it."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points

import pytest
import torch
import torchvision
from torch import nn

from archbench.models.address import find, model_names
from tests.zoo.usual_classes import classes_of
from zoo.alexnet import alexnet
from zoo.blocks import ResponseNorm
from zoo.lenet import BitmapDistance, PartialConv, Subsampling, lenet, lenet5

# Ours on the left, torchvision's on the right: the same architecture under other names of layers.
TWINS = {
    "alexnet_owt": "alexnet",
    **{f"vgg{depth}{norm}": f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")},
    "googlenet_bn": "googlenet",
    **{f"resnet{depth}": f"resnet{depth}" for depth in (18, 34)},
    **{f"resnet{depth}_v1_5": f"resnet{depth}" for depth in (50, 101, 152)},
}
TWINS_OPTIONS = {"googlenet": {"aux_logits": False, "init_weights": False}}


def fill(model):
    """Fill a model's tensors from one million random numbers, which keeps its activations in the range of its input."""
    noise = torch.empty(1_000_003).uniform_(-1, 1)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            tensor.zero_()
            continue
        scale = (6 / tensor[0].numel()) ** 0.5 if tensor.dim() > 1 else 0.1
        for chunk in tensor.flatten().split(noise.numel()):
            torch.mul(noise[: chunk.numel()], scale, out=chunk)
        noise = noise.roll(1)
        if name.endswith("running_var"):
            tensor.add_(1)
    return model


# The paper's size for some, among them each kind of block; the smallest, through average pooling, for all.
AT_224 = ("alexnet_owt", "vgg16_bn", "googlenet_bn", "resnet50_v1_5")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "size"), [*((name, 32) for name in TWINS if name != "alexnet_owt"), *((name, 224) for name in AT_224)]
)
def test_torchvisions_weights_give_torchvisions_output(ours, size):
    torch.manual_seed(0)
    with torch.device("meta"):
        twin = TWINS[ours]
        theirs = torchvision.models.get_model(twin, num_classes=10, **TWINS_OPTIONS.get(twin, {})).eval()
        model = find(ours).builder(num_classes=10, init="torch", size=size).eval()
    theirs = fill(theirs.to_empty(device="cpu"))
    renamed = dict(zip(model.state_dict(), theirs.state_dict().values(), strict=True))
    model.load_state_dict(renamed, assign=True)
    image = torch.randn(1, 3, size, size)
    with torch.inference_mode():
        expected = theirs(image)
        assert expected.std() > 0.01
        torch.testing.assert_close(model(image), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", model_names())
def test_a_model_has_a_card_and_runs_on_its_input(name):
    source = find(name)
    card = source.card
    assert card is not None
    assert card.title
    assert card.paper
    assert card.differences
    assert 1998 <= card.year <= 2015
    assert (card.reported_top5_error_percent is None) == (card.reported_protocol is None)
    model = source.build()
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.eval()(torch.empty(2, *card.input_shape, device="meta")).shape == (2, classes_of(name))


def test_a_model_can_be_trained():
    torch.manual_seed(0)
    model = lenet(activation="relu")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    images, labels = torch.randn(32, 1, 32, 32), torch.arange(32) % 10
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("lenet", "lenet5", "alexnet@10", "zfnet@10", "vgg11_bn@10", "vgg11_lrn@10"),
        *("googlenet@10", "resnet20", "resnet18?shortcut=A", "resnet50"),
    ],
)
def test_a_model_can_be_exported(name):
    source = find(name)
    model = source.builder(**source.arguments).eval()
    image = torch.randn(1, *source.card.input_shape)
    exported = torch.export.export(model, (image,))
    with torch.inference_mode():
        torch.testing.assert_close(exported.module()(image), model(image))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "resnet20", "googlenet"])
def test_a_model_can_be_compiled(name):
    torch.manual_seed(0)
    source = find(name)
    model = source.builder().eval()
    image = torch.randn(2, source.card.input_shape[0], 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(torch.compile(model, backend="aot_eager")(image), model(image))


def test_response_norm_is_the_papers_formula():
    # b_i = a_i / (k + alpha * sum of a_j^2 over 5 neighbouring maps)^beta, with k 2, alpha 1e-4, beta 0.75.
    torch.manual_seed(0)
    a = torch.randn(1, 8, 2, 2, dtype=torch.float64) * 50
    expected = torch.empty_like(a)
    for i in range(8):
        neighbours = a[:, max(0, i - 2) : i + 3]
        expected[:, i] = a[:, i] / (2 + 1e-4 * neighbours.square().sum(dim=1)) ** 0.75
    torch.testing.assert_close(ResponseNorm("norm").make((8,))(a), expected)


def test_partial_convolution_is_a_full_one_with_missing_connections():
    torch.manual_seed(0)
    table = (((0, 1), (2, 0)), ((0, 1, 2),))
    layer = PartialConv(3, table)
    full = torch.zeros(3, 3, 3, 3)
    weights = iter(layer.weight)
    for filter_index, maps in enumerate(row for rows in table for row in rows):
        for input_map in maps:
            full[filter_index, input_map] = next(weights)
    x = torch.randn(2, 3, 7, 7)
    torch.testing.assert_close(layer(x), nn.functional.conv2d(x, full, layer.bias))


def test_subsampling_is_a_scaled_sum_of_four():
    layer = Subsampling(2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 3.0]))
        layer.bias.copy_(torch.tensor([0.5, -1.0]))
    x = torch.arange(8.0).view(1, 2, 2, 2)
    # Map 0 sums to 0+1+2+3 = 6, map 1 to 4+5+6+7 = 22.
    assert layer(x).flatten().tolist() == [6 * 2 + 0.5, 22 * 3 - 1.0]


def test_bitmap_distance_is_the_negated_squared_distance():
    torch.manual_seed(0)
    layer = BitmapDistance()
    x = torch.randn(3, 84)
    torch.testing.assert_close(layer(x), -torch.cdist(x, layer.codes).square(), rtol=1e-4, atol=1e-3)
    assert layer(layer.codes).argmax(dim=1).tolist() == list(range(10))


def test_the_bitmaps_are_ten_different_signs():
    codes = BitmapDistance().codes
    assert codes.shape == (10, 84)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert len(codes.unique(dim=0)) == 10


@pytest.mark.parametrize("name", model_names())
def test_a_builder_has_the_name_signature_and_docstring_of_a_function(name):
    (point,) = entry_points(group="archbench.models", name=name)
    builder = point.load()
    assert builder.__name__ == name
    assert f"{builder.__module__}:{builder.__qualname__}" == point.value
    assert builder.__doc__.startswith("Return ")
    parameters = inspect.signature(builder).parameters
    assert parameters["num_classes"].default == classes_of(name)
    assert {"in_channels", "init"} <= parameters.keys()


def test_a_builder_shows_its_switches_and_a_short_repr():
    assert repr(alexnet) == "<builder zoo.alexnet.alexnet: AlexNet, 2012>"
    assert list(inspect.signature(alexnet).parameters) == [
        *("num_classes", "activation", "pooling", "overlap", "dropout", "norm", "head", "in_channels", "size", "init")
    ]
    assert alexnet.__doc__.startswith("Return the network as published; input 3×227×227.")
    assert "activation: Function of every activation" in alexnet.__doc__


def test_builders_reject_invalid_arguments():
    with pytest.raises(ValueError, match="activation='gelu' is not one of relu, sigmoid, tanh"):
        lenet(activation="gelu")
    with pytest.raises(ValueError, match="num_classes cannot be 7"):
        lenet5(num_classes=7)
    with pytest.raises(ValueError, match="init='zeros' is not one of kaiming, paper, torch, xavier"):
        lenet(init="zeros")
