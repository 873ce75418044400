"""Blocks with branches: what they compute, by formulas written out, and what switches change in them."""

from __future__ import annotations

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from archbench.errors import AddressError
from archbench.models.address import find
from zoo.blocks import Activation, Conv, Pool
from zoo.branches import Inception, Residual, ResidualBlock, ZeroPad


def build(address):
    return find(address).build()


def parameters(address):
    return sum(parameter.numel() for parameter in build(address).parameters())


def leaves(address):
    """Return the modules without children by name, in order."""
    return {name: module for name, module in build(address).named_modules() if not list(module.children())}


def test_an_inception_block_concatenates_its_branches_in_their_order():
    torch.manual_seed(0)
    row = Inception(
        "block",
        ((Conv("1x1", 2, 1),), (Conv("3x3_reduce", 1, 1), Conv("3x3", 3, 3, padding=1)), (Pool("pool", 3, 1, 1),)),
    )
    block = row.make((4, 5, 5))
    x = torch.randn(2, 4, 5, 5)
    layers = dict(block.named_children())
    assert list(layers) == ["1x1", "3x3_reduce", "3x3", "pool"]
    expected = torch.cat([layers["1x1"](x), layers["3x3"](layers["3x3_reduce"](x)), F.max_pool2d(x, 3, 1, 1)], 1)
    torch.testing.assert_close(block(x), expected)
    assert block(x).shape[1:] == row.output_shape((4, 5, 5)) == (2 + 3 + 4, 5, 5)


def test_a_residual_block_adds_its_input_before_the_last_activation():
    torch.manual_seed(0)
    row = Residual("block", (Conv("conv1", 4, 3, padding=1), Activation("relu1"), Conv("conv2", 4, 3, padding=1)))
    block = row.make((4, 6, 6))
    x = torch.randn(2, 4, 6, 6)
    branch = block.conv2(block.conv1(x).relu())
    torch.testing.assert_close(block(x), (branch + x).relu())
    plain = Residual(row.name, row.branch, None).make((4, 6, 6))
    plain.load_state_dict(block.state_dict())
    torch.testing.assert_close(plain(x), branch.relu())


def test_a_residual_block_does_not_write_to_its_input():
    x = torch.randn(1, 4, 6, 6)
    before = x.clone()
    Residual("block", (Conv("conv1", 4, 3, padding=1),)).make((4, 6, 6))(x)
    assert torch.equal(x, before)


def test_zero_padding_keeps_every_second_position_and_adds_maps_of_zeros():
    x = torch.arange(2 * 5 * 4, dtype=torch.float32).view(1, 2, 5, 4)
    row = ZeroPad("shortcut", 5, 2)
    padded = row.make((2, 5, 4))(x)
    assert padded.shape[1:] == row.output_shape((2, 5, 4)) == (5, 3, 2)
    for i in range(3):
        for j in range(2):
            assert padded[0, :, i, j].tolist() == [*x[0, :, 2 * i, 2 * j].tolist(), 0, 0, 0]


@given(
    size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 4), pads=st.booleans(), up=st.booleans()
)
def test_the_output_shape_of_pooling_is_torchs(size, kernel, stride, pads, up):
    row = Pool("pool", kernel, stride, padding=kernel // 2 if pads else 0, ceil_mode=up)
    shape = row.output_shape((1, size, size))
    if min(shape) >= 1:
        assert tuple(row.make((1, size, size))(torch.zeros(1, 1, size, size)).shape[1:]) == shape
    else:
        with pytest.raises(RuntimeError):
            row.make((1, size, size))(torch.zeros(1, 1, size, size))


@pytest.mark.parametrize(("name", "n"), [("resnet20", 3), ("resnet32", 5)])
def test_a_cifar_resnet_has_the_layers_and_the_sizes_of_section_4_2(name, n):
    layers = leaves(name)
    convolutions = [layer for layer in layers.values() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) + 1 == 6 * n + 2  # and the fully connected layer
    # {32, 16, 8} pixels and {16, 32, 64} filters, 2n layers each; the first has one more.
    assert [layer.out_channels for layer in convolutions] == [16] * (2 * n + 1) + [32] * 2 * n + [64] * 2 * n
    assert all(layer.kernel_size == (3, 3) and layer.bias is None for layer in convolutions)
    x = torch.empty(2, 3, 32, 32, device="meta")
    sizes = {}
    for child, layer in build(name).named_children():
        x = layer(x)
        sizes[child] = tuple(x.shape[1:])
    assert [sizes[f"conv{stage}_{n}"] for stage in (2, 3, 4)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert sizes["avgpool"] == (64, 1, 1)


def test_the_plain_network_has_the_same_layers_and_parameters_as_its_residual_twin():
    residual, plain = build("resnet20"), build("resnet20?shortcut=none")
    # "almost no extra parameters" with option A: none at all.
    assert [*plain.state_dict()] == [*residual.state_dict()]
    assert parameters("resnet20?shortcut=none") == parameters("resnet20") == 269_722
    shortcuts = [name for name in leaves("resnet20") if name.endswith("shortcut")]
    assert shortcuts == ["conv3_1.shortcut", "conv4_1.shortcut"]  # the sizes change there only
    assert [*leaves("resnet20?shortcut=none")] == [name for name in leaves("resnet20") if name not in shortcuts]


def test_projections_stand_where_the_shape_changes_or_everywhere():
    # 1x1 convolutions 16 -> 32 and 32 -> 64, with a weight and a bias of normalisation for each map.
    option_b = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert parameters("resnet20?shortcut=B") - parameters("resnet20") == option_b
    # The other blocks: three of 16 maps, two of 32, two of 64.
    option_c = 3 * (16 * 16 + 32) + 2 * (32 * 32 + 64) + 2 * (64 * 64 + 128)
    assert parameters("resnet20?shortcut=C") - parameters("resnet20?shortcut=B") == option_c


# Table 1 of Szegedy et al.: the output of each module, and its filters.
GOOGLENET = {
    "3a": ((256, 28, 28), (64, 96, 128, 16, 32, 32)),
    "3b": ((480, 28, 28), (128, 128, 192, 32, 96, 64)),
    "4a": ((512, 14, 14), (192, 96, 208, 16, 48, 64)),
    "4b": ((512, 14, 14), (160, 112, 224, 24, 64, 64)),
    "4c": ((512, 14, 14), (128, 128, 256, 24, 64, 64)),
    "4d": ((528, 14, 14), (112, 144, 288, 32, 64, 64)),
    "4e": ((832, 14, 14), (256, 160, 320, 32, 128, 128)),
    "5a": ((832, 7, 7), (256, 160, 320, 32, 128, 128)),
    "5b": ((1024, 7, 7), (384, 192, 384, 48, 128, 128)),
}


@pytest.mark.parametrize(("name", "kernels"), [("googlenet", (1, 1, 3, 1, 5, 1)), ("googlenet_bn", (1, 1, 3, 1, 3, 1))])
def test_googlenet_is_its_table_and_torchvisions_has_3x3_where_the_paper_has_5x5(name, kernels):
    x = torch.empty(2, 3, 224, 224, device="meta")
    for child, block in build(name).named_children():
        x = block(x)
        _, is_module, module = child.partition("inception_")
        if is_module:
            convolutions = [layer for layer in block.children() if isinstance(layer, nn.Conv2d)]
            shape, filters = GOOGLENET[module]
            assert tuple(x.shape[1:]) == shape
            assert tuple(layer.out_channels for layer in convolutions) == filters
            assert tuple(layer.kernel_size[0] for layer in convolutions) == kernels
    assert x.shape == (2, 1000)


def test_layers_of_googlenet_have_the_names_of_the_caffe_model():
    assert list(dict(build("googlenet").inception_3a.named_children())) == [
        *("1x1", "relu_1x1"),
        *("3x3_reduce", "relu_3x3_reduce", "3x3", "relu_3x3"),
        *("5x5_reduce", "relu_5x5_reduce", "5x5", "relu_5x5"),
        *("pool", "pool_proj", "relu_pool_proj"),
    ]


def test_auxiliary_classifiers_run_in_training_only():
    # Each: 128 filters of 1x1, 4*4*128 -> 1024 -> 1000, biases everywhere; on 512 and on 528 maps.
    heads = sum(maps * 128 + 128 + 2048 * 1024 + 1024 + 1024 * 1000 + 1000 for maps in (512, 528))
    assert parameters("googlenet?aux=True") - parameters("googlenet") == heads
    model = build("googlenet?aux=True")
    x = torch.empty(2, 3, 224, 224, device="meta")
    assert [scores.shape for scores in model.train()(x)] == [(2, 1000)] * 3
    assert model.eval()(x).shape == (2, 1000)


def test_the_auxiliary_classifier_is_that_of_the_paper():
    head = build("googlenet?aux=True").loss1
    x = torch.empty(1, 512, 14, 14, device="meta")
    assert head.ave_pool(x).shape == (1, 512, 4, 4)  # "an average pooling layer with 5×5 filter size and stride 3"
    assert (head.ave_pool.kernel_size, head.ave_pool.stride, head.drop_fc.p) == (5, 3, 0.7)


@pytest.mark.parametrize("size", [32, 64, 160, 299])
def test_auxiliary_classifiers_are_the_same_at_any_image_size(size):
    model = build(f"googlenet?aux=True&size={size}")
    assert [scores.shape for scores in model(torch.empty(2, 3, size, size, device="meta"))] == [(2, 1000)] * 3
    assert sum(p.numel() for p in model.parameters()) == parameters("googlenet?aux=True")


def test_torchvisions_auxiliary_classifiers_give_the_same_scores():
    torch.manual_seed(0)
    theirs = torchvision.models.googlenet(num_classes=10, init_weights=False).eval()
    ours = find("googlenet_bn").builder(num_classes=10, init="torch", aux=True).eval()
    for name, other in (("loss1", theirs.aux1), ("loss2", theirs.aux2)):
        head = getattr(ours, name)
        head.load_state_dict(dict(zip(head.state_dict(), other.state_dict().values(), strict=True)))
        x = torch.randn(2, 512 if name == "loss1" else 528, 14, 14)
        torch.testing.assert_close(head(x), other(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_v1_and_v1_5_differ_in_the_place_of_three_strides(depth):
    v1, v1_5 = leaves(f"resnet{depth}"), leaves(f"resnet{depth}_v1_5")
    assert list(v1) == list(v1_5)
    differing = {name: (str(layer), str(v1_5[name])) for name, layer in v1.items() if str(layer) != str(v1_5[name])}
    assert list(differing) == [f"conv{stage}_1.conv{place}" for stage in (3, 4, 5) for place in (1, 2)]
    assert all(v1[f"conv{stage}_1.conv1"].stride == (2, 2) for stage in (3, 4, 5))
    assert all(v1_5[f"conv{stage}_1.conv2"].stride == (2, 2) for stage in (3, 4, 5))


def test_imagenet_projections_follow_the_papers_options():
    # ResNet-34: conv3_1, conv4_1 and conv5_1 change the shape; the options' numbers of projections are 0, 3 and 16.
    for option, projections in (("A", 0), ("B", 3), ("C", 16), ("none", 0)):
        layers = leaves(f"resnet34?shortcut={option}")
        assert sum(isinstance(layer, nn.Conv2d) for name, layer in layers.items() if "shortcut" in name) == projections
    # ResNet-50 also projects in conv2_1, from 64 to 256 maps.
    assert next(name for name in leaves("resnet50") if name.endswith(".shortcut")) == "conv2_1.shortcut"


def test_switches_reach_the_layers_of_a_block():
    layers = leaves("resnet20?activation=tanh&norm=none")
    assert not any(isinstance(layer, (nn.ReLU, nn.BatchNorm2d)) for layer in layers.values())
    assert isinstance(layers["conv2_1.tanh1"], nn.Tanh)
    assert isinstance(layers["conv2_1.tanh"], nn.Tanh)
    # The bias that the normalisation had replaced is there.
    assert all(layer.bias is not None for layer in layers.values() if isinstance(layer, nn.Conv2d))
    assert str(build("resnet20?norm=batch")) == str(build("resnet20"))


def test_overlap_of_pooling_that_rounds_up_halves_the_sizes_as_before():
    # torchvision's GoogLeNet, whose pool4 of 2x2 becomes 3x3 over the border, as the paper's: 14 pixels become 7.
    pool4 = leaves("googlenet_bn?overlap=True")["pool4"]
    assert str(pool4) == str(leaves("googlenet")["pool4"])
    assert pool4(torch.zeros(1, 1, 14, 14)).shape == (1, 1, 7, 7)


def test_a_plain_block_is_a_chain():
    assert isinstance(build("resnet20").conv2_1, ResidualBlock)
    assert isinstance(build("resnet20?shortcut=none").conv2_1, nn.Sequential)


def test_dropout_without_hidden_linear_layers_stands_before_the_last():
    names = list(dict(build("resnet20?dropout=0.3").named_children()))
    assert names[-4:] == ["avgpool", "drop", "flatten", "fc"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("resnet20?shortcut=D", "shortcut='D' is not one of A, B, C, none"),
        ("resnet20?shortcut=None", "shortcut=None is not one of A, B, C, none; did you mean 'none'?"),
        ("resnet20?norm=response", "norm='response' has no place in this network; use 'batch' or 'none'"),
        ("resnet20?head=small", "head='small' has no place in this network, whose only linear layer is the last"),
        ("resnet50?shortcut=b", "shortcut='b' is not one of A, B, C, none; did you mean 'B'?"),
        ("googlenet?aux=yes", "aux must be True or False, not 'yes'"),
        # Three pools of 3x3 leave 16 pixels after conv1 two, which the fourth halves; torchvision's fourth takes one.
        ("googlenet?size=30", "size must be at least 31 for this network, not 30"),
        ("googlenet_bn?size=14", "size must be at least 15 for this network, not 14"),
        ("googlenet?shortcut=none", "its builder takes num_classes"),
        ("vgg11?shortcut=none", "its builder takes num_classes"),
    ],
)
def test_an_invalid_switch_of_a_network_with_blocks_raises_an_error_of_one_line(address, message):
    with pytest.raises(AddressError) as error:
        build(address)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_residual_network_can_be_trained_and_its_twin_gets_the_same_first_weights():
    torch.manual_seed(0)
    residual = find("resnet20?init=paper").builder(init="paper")
    torch.manual_seed(0)
    plain = find("resnet20").builder(init="paper", shortcut="none")
    assert all(torch.equal(a, b) for a, b in zip(residual.parameters(), plain.parameters(), strict=True))
    loss = F.cross_entropy(residual(torch.randn(4, 3, 32, 32)), torch.arange(4))
    loss.backward()
    assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in residual.parameters())
