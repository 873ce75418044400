from __future__ import annotations

import random
from fractions import Fraction

import pytest
import torch
from torch import nn

from archbench.analyze.receptive_field import receptive_fields
from archbench.models.address import find
from archbench.models.inputs import InputSpec
from archbench.trace.tracer import trace


def fields_of(model, *shape):
    return receptive_fields(trace(model, torch.empty(shape, device="meta")))


# By hand: r + (k - 1)j; conv1 1+10·1, pool1 11+2·4, conv2 19+4·8, pool2 51+2·8, conv3 67+2·16, …, pool5 163+2·16,
# fc6 is a window of 6: 195+5·32. conv1's first unit is centred at (11-1)/2, pool1's one unit of 4 further.
@pytest.mark.parametrize(
    ("model", "layer", "size", "stride", "centre"),
    [
        ("alexnet", "conv1", 11, 4, 5),
        ("alexnet", "pool1", 19, 8, 9),
        ("alexnet", "conv2", 51, 8, 9),
        ("alexnet", "pool2", 67, 16, 17),
        ("alexnet", "conv3", 99, 16, 17),
        ("alexnet", "pool5", 195, 32, 33),
        ("alexnet", "fc6", 355, 32, 113),
        ("alexnet", "fc8", 355, 32, 113),
        ("vgg16", "conv1_1", 3, 1, 0),
        ("vgg16", "pool5", 212, 32, Fraction(31, 2)),
        ("lenet5", "s2", 6, 2, Fraction(5, 2)),
        ("lenet5", "c3", 14, 2, Fraction(13, 2)),
        ("lenet5", "c5", 32, 4, Fraction(31, 2)),
        ("zfnet", "conv1", 7, 2, 2),
        # 3 + 6·2·1; then 2·1 and five times 2·2; then 2·2 and five times 2·4.
        ("resnet20", "conv2_3.conv2", 15, 1, 0),
        ("resnet20", "conv3_3.conv2", 37, 2, 0),
        ("resnet20", "conv4_3.conv2", 81, 4, 0),
    ],
)
def test_fields_of_the_classics(zoo_trace, model, layer, size, stride, centre):
    after = receptive_fields(zoo_trace(model, 1, "eval")).steps[layer].after
    assert (after.size, after.stride, after.centre) == ((size,) * 2, (stride,) * 2, (centre,) * 2)


def random_chain(seed):
    """Return four layers of all-ones weights; an average lets all inputs of its window through, unlike a maximum."""
    draw = random.Random(seed)
    layers = []
    for _ in range(4):
        kernel, stride, padding = draw.randint(2, 4), draw.randint(1, 2), draw.randint(0, 1)
        if draw.random() < 0.6:
            layers.append(nn.Conv2d(1, 1, kernel, stride, padding, dilation=draw.randint(1, 2), bias=False))
            nn.init.ones_(layers[-1].weight)
        else:
            layers.append(nn.AvgPool2d(kernel, stride, padding))
    return nn.Sequential(*layers)


@pytest.mark.parametrize("seed", range(12))
def test_fields_are_where_gradients_reach(seed):
    model, size = random_chain(seed).double(), 160
    fields = fields_of(model.float(), 1, 1, size, size)
    after = fields.steps["3"].after
    x = torch.zeros(1, 1, size, size, requires_grad=True)
    out = model(x)
    middle = out.shape[-1] // 2
    out[0, 0, middle, middle].backward()
    reached = x.grad[0, 0].abs().sum(0).nonzero().flatten().tolist()
    # Dilation leaves holes within a field, never beyond its edges.
    assert reached[-1] - reached[0] + 1 == after.size[0]
    assert Fraction(reached[0] + reached[-1], 2) == after.centre[0] + middle * after.stride[0]


def test_dimensions_have_fields_of_their_own():
    model = nn.Sequential(nn.Conv2d(1, 1, (3, 5), stride=(1, 2)), nn.MaxPool2d((2, 3), stride=1))
    after = fields_of(model, 1, 1, 20, 20).steps["1"].after
    assert (after.size, after.stride, after.centre) == ((4, 9), (1, 2), (Fraction(3, 2), 4))


def test_a_global_mean_sees_what_its_units_see():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    steps = fields_of(model, 1, 3, 31, 31).steps
    assert steps["1"].after.size == steps["3"].after.size == (31, 31)  # 3 + (15 - 1)·2


def test_pooling_of_one_dimension_has_one():
    model = nn.Sequential(nn.Conv1d(2, 2, 5), nn.MaxPool1d(2))
    assert fields_of(model, 1, 2, 30).steps["1"].after.size == (6,)


class Joins(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.a(x) + self.b(x)


class Forks(Joins):
    def forward(self, x):
        x = torch.relu(x)
        return self.a(x), self.b(x)


def test_a_join_sees_what_its_largest_branch_sees():
    fields = fields_of(Joins(), 1, 3, 8, 8)
    assert (fields.gap, fields.joins["./add"].after.size) == (None, (3, 3))
    fields = fields_of(Forks(), 1, 3, 8, 8)
    assert [step.after.size for step in fields.steps.values()] == [(3, 3), (3, 3)]


class Subsampled(nn.Module):
    """Every second position, as a shortcut without weights takes them."""

    def forward(self, x):
        return x[:, :, ::2, ::2] * 1


# Windows with as many outputs, half as many as inputs; those of the ceiling begin elsewhere than the padded ones.
HALVING = [
    lambda: nn.Conv2d(1, 1, 1, stride=2, bias=False),
    lambda: nn.Conv2d(1, 1, 2, stride=2, bias=False),
    lambda: nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False),
    lambda: nn.Conv2d(1, 1, 4, stride=2, padding=1, bias=False),
    lambda: nn.AvgPool2d(3, 2, ceil_mode=True),
    Subsampled,
]


class Block(nn.Module):
    """Branches of random windows, which are added or concatenated."""

    def __init__(self, draw):
        super().__init__()
        self.adds, halves = draw.random() < 0.5, draw.random() < 0.5
        self.branches = nn.ModuleList(self._branch(draw, halves) for _ in range(3))
        self.last = nn.Conv2d(1 if self.adds else 3, 1, 3, padding=1, bias=False)

    def _branch(self, draw, halves):
        # None at all in a branch that keeps the size: an identity.
        kernels = [draw.choice((1, 3, 5)) for _ in range(draw.randint(0, 2))]
        layers = [nn.Conv2d(1, 1, k, padding=k // 2, bias=False) for k in kernels]
        return nn.Sequential(*layers, *([draw.choice(HALVING)()] if halves else []))

    def forward(self, x):
        outputs = [branch(x) for branch in self.branches]
        return self.last(sum(outputs) if self.adds else torch.cat(outputs, 1))


@pytest.mark.parametrize("seed", range(20))
def test_fields_through_branches_are_where_gradients_reach(seed):
    draw, size = random.Random(seed), 160
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, bias=False), Block(draw), Block(draw))
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    after = fields_of(model, 1, 1, size, size).steps["2.last"].after
    x = torch.zeros(1, 1, size, size, requires_grad=True)
    out = model.double()(x.double())
    middle = out.shape[-1] // 2
    out[0, 0, middle, middle].backward()
    reached = x.grad[0, 0].abs().sum(0).nonzero().flatten().tolist()
    assert reached[-1] - reached[0] + 1 == after.size[0]
    assert Fraction(reached[0] + reached[-1], 2) == after.centre[0] + middle * after.stride[0]


# Araujo, Norris, Sim: Computing Receptive Fields of Convolutional Neural Networks, 2019, table 1.
@pytest.mark.parametrize(("model", "size"), [("resnet50", 483), ("resnet101", 1027), ("resnet152", 1507)])
def test_fields_of_the_published_residual_networks(zoo_trace, model, size):
    assert receptive_fields(zoo_trace(model, 1, "eval")).joins["conv5_3/add_"].after.size == (size, size)


@pytest.mark.parametrize(
    ("name", "row", "size"), [("vgg16", "features.30", 212), ("inception_v3", "Mixed_7c/cat", 1311)]
)
def test_fields_of_published_networks(name, row, size):
    model = find(f"torchvision:{name}").build()
    shape = (3, 299, 299) if name == "inception_v3" else (3, 224, 224)
    fields = receptive_fields(trace(model, InputSpec(shape).tensor(1)))
    assert {**fields.steps, **fields.joins}[row].after.size == (size, size)


def test_fields_end_where_branches_of_different_resolution_meet():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool, self.conv = nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return x * self.conv(self.pool(x))

    fields = fields_of(nn.Sequential(nn.Conv2d(3, 3, 3), Gate(), nn.Conv2d(3, 3, 3)), 1, 3, 9, 9)
    assert (fields.gap.kind, fields.gap.row) == ("join", "1/mul")
    assert list(fields.steps) == ["0", "1.pool", "1.conv"]


def test_a_gap_ends_the_fields_of_its_own_branch_only():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.down, self.a, self.b = (
                nn.ConvTranspose2d(3, 3, 2), nn.Conv2d(3, 3, 2), nn.Conv2d(3, 3, 2), nn.Conv2d(3, 3, 2),
            )  # fmt: skip

        def forward(self, x):
            return self.a(self.up(x)), self.b(self.down(x))

    fields = fields_of(Two(), 1, 3, 9, 9)
    assert (list(fields.steps), fields.gap.row) == (["down", "b"], "up")


def test_positions_that_a_view_has_moved_have_no_fields():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.norm = nn.Conv2d(3, 4, 2, stride=2), nn.LayerNorm(4)

        def forward(self, x):
            return self.norm(torch.cat([self.patches(x).flatten(2).mT, x.new_ones(1, 1, 4)], 1))

    fields = fields_of(Tokens(), 1, 3, 8, 8)
    assert (list(fields.steps), fields.gap.row) == (["patches"], "./cat")


def test_several_inputs_have_no_fields():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(3, 3, 3)

        def forward(self, x, y):
            return self.a(x) + self.a(y)

    inputs = (torch.empty(1, 3, 8, 8), torch.empty(1, 3, 8, 8))
    assert receptive_fields(trace(Two(), inputs)).gap.kind == "inputs"


def test_a_chain_written_out_in_forward_has_fields():
    class Chain(Joins):
        def forward(self, x):
            x = torch.relu(self.a(x))
            return torch.nn.functional.max_pool2d(torch.relu(self.b(x)), 2)

    fields = fields_of(nn.Sequential(nn.Conv2d(1, 3, 3), Chain(), nn.Conv2d(3, 3, 3)), 1, 1, 12, 12)
    assert fields.gap is None
    assert [step.after.size[0] for step in fields.steps.values()] == [3, 5, 7, 8, 12]


def test_fields_end_where_no_window_is_known():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 2, 2, stride=2), nn.Conv2d(2, 2, 3))
    fields = fields_of(model, 1, 1, 8, 8)
    assert list(fields.steps) == ["0"]
    assert (fields.gap.kind, fields.gap.row) == ("operator", "1")


def test_vectors_have_no_fields():
    assert fields_of(nn.Sequential(nn.Linear(4, 4)), 2, 4).steps == {}


@pytest.mark.parametrize("batch", [1, 4])
def test_a_layer_behind_a_mean_over_all_places_sees_what_the_mean_has_seen(batch):
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.c, self.l = nn.Conv2d(3, 8, 3), nn.Linear(8, 2)

        def forward(self, x):
            return self.l(self.c(x).mean((2, 3)))

    fields = receptive_fields(trace(Head(), torch.empty(batch, 3, 16, 16)))
    # The convolution's 14 places see 16 inputs together.
    assert fields.steps["l"].after.size == (16, 16)
