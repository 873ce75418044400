"""Each switch on every builder: what it changes, and that it changes nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archbench.errors import AddressError
from archbench.models.address import find, model_names
from tests.zoo.usual_classes import classes_of
from zoo.blocks import AdaptivePool, Pool

# Blocks with branches have tests of their own below and in test_branches.py.
BRANCHED = [name for name in model_names() if name.startswith(("googlenet", "resnet"))]
NAMES = [name for name in model_names() if name not in ("lenet5", *BRANCHED)]
SWITCHES = [
    "activation=sigmoid",
    "activation=tanh",
    "pooling=average",
    "pooling=max",
    "overlap=True",
    "overlap=False",
    "dropout=True",
    "dropout=False",
    "dropout=0.2",
    "norm=none",
    "norm=batch",
    "in_channels=1",
    "size=256",
]
# Convolutional filters by hand, summed over the layers.
FILTERS = {
    "lenet": 6 + 16,
    "alexnet": 96 + 256 + 384 + 384 + 256,
    "alexnet_owt": 64 + 192 + 384 + 256 + 256,
    "zfnet": 96 + 256 + 384 + 384 + 256,
    "zfnet_wide": 96 + 256 + 512 + 1024 + 512,
    "vgg16": 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512,
}


def build(address):
    return find(address).build()


def parameters(address):
    return sum(parameter.numel() for parameter in build(address).parameters())


def kinds(address, *types):
    return [module for module in build(address).modules() if isinstance(module, types)]


def run(address, batch=2):
    """Return the output of each layer on the usual input, without data."""
    source = find(address)
    model = source.build().eval()
    outputs = {}
    x = torch.empty(batch, *source.input_shape, device="meta")
    for name, layer in model.named_children():
        x = outputs[name] = layer(x)
    return outputs


@pytest.mark.slow
@pytest.mark.parametrize("switch", [*SWITCHES, "norm=response", "head=small"])
@pytest.mark.parametrize("name", [*NAMES, *BRANCHED])
def test_every_builder_runs_with_every_switch(name, switch):
    if (name == "lenet" and switch in ("norm=response", "head=small")) or (
        name in BRANCHED and (switch == "head=small" or (switch == "norm=response" and name.startswith("resnet")))
    ):
        with pytest.raises(AddressError, match=r"has no place in this network|is larger than"):
            build(f"{name}?{switch}")
        return
    assert list(run(f"{name}?{switch}").values())[-1].shape == (2, classes_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_own_switches_change_nothing(name):
    usual = "activation=tanh&pooling=average" if name == "lenet" else "activation=relu&pooling=max&dropout=True"
    assert str(build(f"{name}?{usual}&head=paper")) == str(build(name))


@pytest.mark.parametrize(("name", "filters"), FILTERS.items())
def test_batch_norm_adds_a_weight_and_a_bias_for_each_filter(name, filters):
    assert parameters(f"{name}?norm=batch") - parameters(name) == 2 * filters


@pytest.mark.parametrize("name", NAMES)
def test_batch_norm_follows_each_convolution_and_replaces_response_norm(name):
    layers = list(build(f"{name}?norm=batch").children())
    assert not any(isinstance(layer, nn.LocalResponseNorm) for layer in layers)
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            assert isinstance(layers[i + 1], nn.BatchNorm2d)
            assert isinstance(layers[i + 2], (nn.ReLU, nn.Tanh))


def test_a_named_variant_is_its_switch():
    assert str(build("vgg16?norm=batch")) == str(build("vgg16_bn"))
    assert str(build("vgg16_bn?norm=none")) == str(build("vgg16"))
    assert str(build("vgg11?norm=response")) == str(build("vgg11_lrn"))


@pytest.mark.parametrize("name", ["alexnet", "alexnet_nopad", "zfnet", "vgg11_lrn"])
def test_response_norm_has_no_parameters_and_can_be_removed(name):
    with_it, without = build(name), build(f"{name}?norm=none")
    assert list(with_it.state_dict()) == list(without.state_dict())
    norms = len(kinds(name, nn.LocalResponseNorm))
    assert norms in (1, 2)
    assert len(with_it) - len(without) == norms


def test_alexnet_owt_gets_response_norm_where_alexnet_has_it():
    def neighbours(address):
        names = list(dict(build(address).named_children()))
        return [(names[names.index(norm) - 1], names[names.index(norm) + 1]) for norm in ("norm1", "norm2")]

    assert neighbours("alexnet_owt?norm=response") == neighbours("alexnet") == [("relu1", "pool1"), ("relu2", "pool2")]


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_is_exchanged_everywhere_and_named_by_its_function(name):
    before = list(build(name).named_children())
    after = list(build(f"{name}?activation=sigmoid").named_children())
    for (old_name, old), (new_name, new) in zip(before, after, strict=True):
        if isinstance(old, (nn.ReLU, nn.Tanh)):
            assert isinstance(new, nn.Sigmoid)
            assert new_name == old_name.replace("relu", "sigmoid").replace("tanh", "sigmoid")
        else:
            assert (new_name, str(new)) == (old_name, str(old))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("overlap", [True, False])
def test_pooling_overlaps_or_not_and_the_sizes_of_the_paper_stay(name, overlap):
    before, after = run(name), run(f"{name}?overlap={overlap}")
    assert {k: v.shape for k, v in before.items()} == {k: v.shape for k, v in after.items()}
    for pool in kinds(f"{name}?overlap={overlap}", nn.MaxPool2d, nn.AvgPool2d):
        assert (pool.kernel_size > pool.stride) == overlap


@pytest.mark.parametrize("name", NAMES)
def test_the_pooling_switch_changes_every_pooling_layer(name):
    assert not kinds(f"{name}?pooling=max", nn.AvgPool2d)
    assert not kinds(f"{name}?pooling=average", nn.MaxPool2d)
    assert len(kinds(f"{name}?pooling=average", nn.AvgPool2d)) == len(kinds(name, nn.MaxPool2d, nn.AvgPool2d))


def test_average_pooling_is_the_mean_of_what_is_there():
    torch.manual_seed(0)
    x = torch.randn(1, 2, 7, 6)
    pooled = Pool("pool", 3, 2, padding=1, kind="average").make((2, 7, 6))(x)
    for i in range(pooled.shape[2]):
        for j in range(pooled.shape[3]):
            window = x[:, :, max(0, 2 * i - 1) : 2 * i + 2, max(0, 2 * j - 1) : 2 * j + 2]
            torch.testing.assert_close(pooled[:, :, i, j], window.mean(dim=(2, 3)))


def test_dropout_is_left_out_or_has_another_probability():
    assert [layer.p for layer in kinds("alexnet", nn.Dropout)] == [0.5, 0.5]
    assert [layer.p for layer in kinds("alexnet?dropout=0.25", nn.Dropout)] == [0.25, 0.25]
    assert kinds("alexnet?dropout=False", nn.Dropout) == kinds("alexnet?dropout=0", nn.Dropout) == []


def test_a_network_without_dropout_gets_it_behind_its_hidden_linear_layers():
    names = list(dict(build("lenet?dropout=True").named_children()))
    assert names[names.index("fc3") :] == ["fc3", "tanh3", "drop3", "fc4", "tanh4", "drop4", "fc5"]
    assert [layer.p for layer in kinds("lenet?dropout=0.1", nn.Dropout)] == [0.1, 0.1]


def test_a_small_head_has_512_features_and_takes_the_grid_as_it_is():
    # VGG-16: 14,714,688 in the convolutions; 32 px leave 512 maps of 1x1.
    assert parameters("vgg16@10?head=small&size=32") == 14_714_688 + 2 * (512 * 512 + 512) + 512 * 10 + 10
    # AlexNet of 2014: 2,469,696 in the convolutions; 224 px leave 256 maps of 6x6.
    small = (256 * 36 * 512 + 512) + (512 * 512 + 512) + (512 * 10 + 10)
    assert parameters("alexnet_owt@10?head=small") == 2_469_696 + small


@pytest.mark.parametrize("size", [32, 64, 96, 224])
@pytest.mark.parametrize("name", ["lenet", "alexnet", "alexnet_owt", "zfnet", "vgg16", "vgg11_bn"])
def test_the_classifier_is_the_same_at_any_image_size(name, size):
    least = {"lenet": 16, "alexnet": 67, "alexnet_owt": 63, "zfnet": 53}.get(name, 32)
    address = f"{name}?size={size}"
    if size < least:
        with pytest.raises(AddressError, match=f"size must be at least {least} for this network, not {size}"):
            build(address)
        return
    assert find(address).input_shape[1:] == (size, size)
    outputs = run(address)
    assert list(outputs.values())[-1].dim() == 2
    assert parameters(address) == parameters(name)
    grid = outputs["pool2" if name == "lenet" else "pool5"].shape[1:]
    own = {"lenet": (16, 5, 5), "vgg16": (512, 7, 7), "vgg11_bn": (512, 7, 7)}.get(name, (256, 6, 6))
    assert ("avgpool" in outputs) == (grid != own)


@pytest.mark.parametrize("name", ["lenet", "alexnet", "alexnet_owt", "alexnet_nopad", "zfnet", "vgg11"])
def test_the_least_size_is_the_smallest_that_torch_runs(name):
    # An independent answer: the layers before the classifier, on images of each size.
    source = find(name)
    children = dict(source.build().named_children())
    features = nn.Sequential(*list(children.values())[: list(children).index("flatten")]).eval()

    def runs(size):
        try:
            return features(torch.empty(1, source.input_shape[0], size, size, device="meta")).numel() > 0
        except RuntimeError:
            return False

    least = next(size for size in range(1, 300) if runs(size))
    with pytest.raises(AddressError, match=f"size must be at least {least} for this network, not 2"):
        build(f"{name}?size=2")
    build(f"{name}?size={least}")


def test_adaptive_pooling_stands_before_the_dropout_of_the_classifier():
    names = list(dict(build("alexnet_owt?size=64").named_children()))
    assert names[names.index("pool5") :][:4] == ["pool5", "avgpool", "drop6", "flatten"]


def test_adaptive_pooling_repeats_what_is_missing():
    pooled = AdaptivePool("avgpool", 6).make((2, 1, 1))(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1))
    assert (pooled == torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)).all()
    assert pooled.shape == (1, 2, 6, 6)


def test_another_number_of_channels_changes_the_first_layer_only():
    # 11 * 11 weights for each of 96 filters and 2 channels more.
    assert parameters("alexnet") - parameters("alexnet?in_channels=1") == 2 * 96 * 11 * 11
    assert find("lenet?in_channels=3").input_shape == (3, 32, 32)


def test_a_variant_has_no_published_error():
    assert find("alexnet@1000?init=paper").card == find("alexnet").card
    for address in ("alexnet?activation=sigmoid", "alexnet@10"):
        variant = find(address).card
        assert (variant.title, variant.input_shape) == ("AlexNet", (3, 227, 227))
        assert variant.reported_top5_error_percent is None
        assert variant.reported_protocol is None


def test_switches_can_be_combined():
    address = "alexnet@10?activation=tanh&pooling=average&overlap=False&dropout=False&norm=batch&head=small&size=96"
    assert list(run(address).values())[-1].shape == (2, 10)
    assert {type(layer).__name__ for layer in build(address)} == {
        *("Conv2d", "BatchNorm2d", "Tanh", "AvgPool2d", "Flatten", "Linear")
    }


@pytest.mark.slow
@pytest.mark.parametrize("switch", SWITCHES)
def test_a_variant_can_be_trained(switch):
    torch.manual_seed(0)
    source = find(f"lenet?{switch}")
    if switch == "size=256":
        pytest.skip("the same layers on more pixels")
    model = source.builder(**source.arguments)
    loss = model(torch.randn(4, *source.input_shape)).square().mean()
    loss.backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("alexnet?activation=rleu", "activation='rleu' is not one of relu, sigmoid, tanh; did you mean 'relu'?"),
        ("alexnet?pooling=avg", "pooling='avg' is not one of average, max; did you mean 'average'?"),
        ("alexnet?norm=batchnorm", "norm='batchnorm' is not one of batch, none, response; did you mean 'batch'?"),
        ("alexnet?norm=None&head=tiny", "head='tiny' is not one of paper, small"),
        ("alexnet?overlap=yes", "overlap must be True or False, not 'yes'"),
        ("alexnet?dropout=1", "dropout must be True, False or a probability from 0 to below 1, not 1"),
        ("alexnet?dropout=-0.5", "dropout must be True, False or a probability from 0 to below 1, not -0.5"),
        ("alexnet?dropout=half", "dropout must be True, False or a probability from 0 to below 1, not 'half'"),
        ("alexnet?size=0", "size must be a positive integer, not 0"),
        ("alexnet?size=True", "size must be a positive integer, not True"),
        ("alexnet?in_channels=three", "in_channels must be a positive integer, not 'three'"),
        ("lenet?norm=response", "norm='response' has no place in this network; use 'batch' or 'none'"),
        ("lenet?head=small", "head='small' (512–512) is larger than this network's own head (120–84); use 'paper'"),
        ("lenet5?in_channels=3", "lenet5 is for grey images of digits; in_channels cannot be 3"),
    ],
)
def test_an_invalid_switch_raises_an_error_of_one_line(address, message):
    with pytest.raises(AddressError) as error:
        build(address)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
