from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from archbench.analyze.layers import LayerRow, layer_table
from archbench.analyze.repeats import Repeat, listed, name_inside, repeats, sums
from archbench.models.address import find
from archbench.trace.tracer import trace

SUMMED = ("params", "trainable_params", "neurons", "macs", "flops", "param_bytes", "read_bytes", "written_bytes")


def row(index, name, params=0, macs=0):
    return LayerRow(
        index=index, name=name, type="Linear", depth=1 + name.count("."), calls=1, input_shape=(1, 4),
        output_shape=(1, 4), kernel=None, stride=None, padding=None, groups=None, params=params,
        trainable_params=params, neurons=0, macs=macs, flops=2 * macs, param_bytes=4 * params, output_bytes=16,
        read_bytes=16, written_bytes=16, intensity=macs / 16,
    )  # fmt: skip


def rows_of(*names, **figures):
    return [row(index, name, **figures) for index, name in enumerate(names)]


def found(rows):
    """The lines by level and name, as a reader sees them."""
    return [(level, name) for level, name, _ in listed(repeats(rows), rows)]


def renumbered(block, number):
    """The rows of the block that is `number` blocks after the one at `path`."""
    path, rows = block
    digits = re.search(r"\d+$", path)[0]
    later = path.removesuffix(digits) + str(int(digits) + number).zfill(len(digits))
    return [replace(row, name=later + row.name.removeprefix(path)) for row in rows]


def expanded(items, rows):
    """All rows, made from the first of each repeated block."""
    for item in items:
        if isinstance(item, int):
            yield rows[item]
        else:
            first = list(expanded(item.items, rows))
            for number in range(item.times):
                yield from renumbered((item.path, first), number)


@st.composite
def modules(draw, path="", depth=0):
    """Rows of a module: numbered and named children that are often equal, and operators of its own."""
    rows = []
    inside = f"{path}." if path else ""
    for place in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["leaf", "operator", "named", "numbered"] if depth < 3 else ["leaf"]))
        name = f"{inside}{'abc'[place]}"
        if kind == "leaf":
            rows.append(row(0, name, params=draw(st.integers(0, 1))))
        elif kind == "operator":
            rows.append(row(0, f"{path or '.'}/{'xyz'[place]}", macs=draw(st.integers(0, 1))))
        elif kind == "named":
            rows += draw(modules(name, depth + 1))
        else:
            block = draw(modules(f"{name}.0", depth + 1))
            for number in range(draw(st.integers(1, 4))):
                if draw(st.integers(0, 4)) == 0:
                    block = draw(modules(f"{name}.0", depth + 1))
                rows += renumbered((f"{name}.0", block), number)
    return rows


@given(modules())
def test_the_folded_rows_expand_to_all_rows(rows):
    rows = [replace(each, index=index) for index, each in enumerate(rows)]
    again = [replace(each, index=index) for index, each in enumerate(expanded(repeats(rows), rows))]
    assert again == rows


@given(modules())
def test_the_outer_lines_sum_to_the_totals(rows):
    for name in SUMMED:
        outer = [
            sums(item, rows)[name] if isinstance(item, Repeat) else getattr(rows[item], name) for item in repeats(rows)
        ]
        assert sum(outer) == sum(getattr(row, name) for row in rows)


@given(modules())
def test_the_lines_of_a_block_sum_to_one_of_its_blocks(rows):
    def check(items):
        for item in items:
            if isinstance(item, Repeat):
                inside = sum(sums(i, rows)["params"] if isinstance(i, Repeat) else rows[i].params for i in item.items)
                assert item.times * inside == sums(item, rows)["params"]
                check(item.items)

    check(repeats(rows))


def test_equal_numbered_modules_are_one_repeat():
    rows = rows_of("stem", *(f"layers.{i}{row}" for i in range(12) for row in (".norm", ".mlp.0", "/add")), "head")
    assert found(rows) == [
        (0, "stem"), (0, "layers.0 … 11 ×12"), (1, "norm"), (1, "mlp.0"), (1, "./add"), (0, "head"),
    ]  # fmt: skip


def test_a_number_at_the_end_of_a_name_counts():
    rows = rows_of(*(f"encoder.layer_{i}.{child}" for i in range(3) for child in ("norm", "mlp")))
    assert found(rows) == [(0, "encoder.layer_0 … 2 ×3"), (1, "norm"), (1, "mlp")]


def test_repeats_inside_a_repeat_are_found():
    rows = rows_of(*(f"stages.{i}.{j}.{child}" for i in range(2) for j in range(3) for child in ("conv", "norm")))
    assert found(rows) == [(0, "stages.0 … 1 ×2"), (1, "0 … 2 ×3"), (2, "conv"), (2, "norm")]
    outer = repeats(rows)[0]
    assert (outer.rows, outer.items[0].rows) == (range(6), range(2))


def test_equal_blocks_after_another_one_start_where_they_are_equal():
    rows = [row(0, "0.conv", params=1), row(1, "0.norm"), *rows_of(*(f"{i}.{c}" for i in (1, 2) for c in "ab"))]
    assert found(rows) == [(0, "0.conv"), (0, "0.norm"), (0, "1 … 2 ×2"), (1, "a"), (1, "b")]


@pytest.mark.parametrize(
    ("why", "names"),
    [
        ("layers of a chain are single rows", ["features.0", "features.1", "features.2"]),
        ("one row each", ["experts.0.up", "experts.1.up"]),
        ("names without a number", ["query.a", "query.b", "key.a", "key.b"]),
        ("a number is missing", ["0.a", "0.b", "2.a", "2.b"]),
        ("in falling order", ["1.a", "1.b", "0.a", "0.b"]),
        ("other children", ["0.a", "0.b", "1.a", "1.c"]),
        ("another row between them", ["0.a", "0.b", "./add", "1.a", "1.b"]),
        ("rows of the first block after the second", ["0.a", "0.b", "1.a", "1.b", "0.c"]),
        ("interleaved", ["convs.0.a", "norms.0.a", "convs.1.a", "norms.1.a"]),
        ("numbered in the middle of the name", ["h0_block.a", "h0_block.b", "h1_block.a", "h1_block.b"]),
        ("a row twice, as in a damaged file", ["a", "a", "a/add", "a/add"]),
    ],
)
def test_what_is_not_repeated(why, names):
    rows = rows_of(*names)
    assert repeats(rows) == tuple(range(len(rows))), why


@pytest.mark.parametrize("field", ["type", "calls", "output_shape", "kernel", "params", "read_bytes"])
def test_blocks_that_differ_in_one_figure_are_not_equal(field):
    rows = rows_of("0.a", "0.b", "1.a", "1.b")
    assert repeats(rows)[0].times == 2
    rows[3] = replace(rows[3], **{field: {"type": "Conv2d", "output_shape": (1, 5), "kernel": (3, 3)}.get(field, 7)})
    assert repeats(rows) == (0, 1, 2, 3)


def test_values_of_rows_are_compared_too():
    rows = rows_of("0.a", "0.b", "1.a", "1.b")
    assert len(repeats(rows, ["x", "y", "x", "y"])) == 1
    assert repeats(rows, ["x", "y", "x", "z"]) == (0, 1, 2, 3)


def test_names_inside_a_block_are_those_of_its_own_table():
    assert name_inside("layers.0", "layers.0.mlp.up") == "mlp.up"
    assert name_inside("layers.0", "layers.0.mlp/mul") == "mlp/mul"
    assert name_inside("layers.0", "layers.0/add") == "./add"
    assert name_inside("layers.0", "layers.0") == "."


def test_tied_blocks_are_not_equal():
    # The second block's weights are those of the first, where they are counted.
    block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    other = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    other[0].weight = block[0].weight
    rows = layer_table(trace(nn.Sequential(block, other), torch.empty(1, 4, device="meta"))).rows
    assert len(repeats(rows)) == len(rows) == 4


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        # ResNet-50 has 3, 4, 6 and 3 blocks, the first of each stage with a projection.
        ("resnet50", ["layer1.1 … 2 ×2", "layer2.1 … 3 ×3", "layer3.1 … 5 ×5", "layer4.1 … 2 ×2"]),
        ("vit_b_16", ["encoder.layers.encoder_layer_0 … 11 ×12"]),
        ("vgg16", []),
        ("alexnet", []),
    ],
)
def test_repeated_blocks_of_torchvisions_models(name, blocks, mode):
    model = find(f"torchvision:{name}").build()
    rows = layer_table(trace(model, torch.empty(1, 3, 224, 224, device="meta"), mode=mode)).rows
    items = repeats(rows)
    assert [item.name for item in items if isinstance(item, Repeat)] == blocks
    if blocks and mode == "train":
        one = sums(next(item for item in items if isinstance(item, Repeat)), rows)
        assert one["backward_macs"] == 2 * one["macs"]
