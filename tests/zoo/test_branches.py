"""Blocks with branches: what they compute, by formulas written out, and what switches change in them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from archbench.errors import AddressError
from archbench.models.address import find
from zoo.blocks import Activation, Conv, Pool
from zoo.branches import Inception, Residual, ZeroPad


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


def test_switches_reach_the_layers_of_a_block():
    layers = leaves("resnet20?activation=tanh&norm=none")
    assert not any(isinstance(layer, (nn.ReLU, nn.BatchNorm2d)) for layer in layers.values())
    assert isinstance(layers["conv2_1.tanh1"], nn.Tanh)
    assert isinstance(layers["conv2_1.tanh"], nn.Tanh)
    # The bias that the normalisation had replaced is there.
    assert all(layer.bias is not None for layer in layers.values() if isinstance(layer, nn.Conv2d))
    assert str(build("resnet20?norm=batch")) == str(build("resnet20"))


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
