from __future__ import annotations

import pytest
import torch
from torch import nn

import archbench
from archbench.analyze.depth import to_depth
from archbench.analyze.layers import layer_table
from archbench.trace.tracer import trace

SUMMED = ("params", "trainable_params", "neurons", "macs", "flops", "param_bytes", "read_bytes", "written_bytes")


class Odd(nn.Module):
    """Calls one layer twice, shares a weight, owns a parameter beside its children, and never calls a layer."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 4)))
        self.tied = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        self.tied[0].weight = self.block[0].weight
        self.scale = nn.Parameter(torch.ones(4))
        self.inner = Scaled()
        self.unused = nn.Sequential(nn.Linear(4, 7))

    def forward(self, x):
        return self.inner(self.tied(self.block(self.block(x)))) * self.scale


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.factor = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.linear(x) * self.factor


def odd(mode="eval"):
    return layer_table(trace(Odd(), torch.empty(2, 4, device="meta"), mode=mode))


def summed(rows, field):
    return sum(getattr(row, field) for row in rows)


@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_rows_folded_at_any_depth_sum_to_the_totals(depth, mode):
    table = odd(mode)
    folded = to_depth(table, depth)
    assert folded.totals is table.totals
    for field in (*SUMMED, *(("backward_macs", "backward_flops") if mode == "train" else ())):
        assert summed(folded.rows, field) == summed(table.rows, field)
    assert max(row.depth for row in folded.rows) <= depth
    assert [row.index for row in folded.rows] == list(range(len(folded.rows)))


@pytest.mark.parametrize("address", ["torchvision:resnet18", "torchvision:vit_b_16", "torchvision:densenet121"])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_folded_rows_of_torchvisions_models_sum_to_the_totals(address, depth):
    table = archbench.summarize(address).table
    folded = to_depth(table, depth)
    assert {name: summed(folded.rows, name) for name in SUMMED} == {
        name: getattr(table.totals, name) for name in SUMMED
    }
    assert len({row.name for row in folded.rows}) == len(folded.rows)


def test_a_folded_row_has_the_modules_shapes_calls_and_sums():
    rows = {row.name: row for row in to_depth(odd(), 1).rows}
    # Rows of the root: its operator and its own parameter stay.
    assert list(rows) == ["block", "tied", "inner", "./mul", "unused", "."]
    block = rows["block"]
    assert (block.type, block.calls, block.depth, block.input_shape, block.output_shape) == (
        "Sequential", 2, 1, (2, 4), (2, 4),
    )  # fmt: skip
    # Two layers of 4·4 weights and 4 biases; each called twice on 2 samples.
    assert (block.params, block.macs) == (2 * (16 + 4), 2 * 2 * 2 * 16)
    # The shared weight is counted in `block`, the bias here.
    assert (rows["tied"].params, rows["tied"].macs) == (4, 2 * 16)
    # Its layer and its own factor are one row.
    assert (rows["inner"].params, rows["inner"].type) == (16 + 4 + 4, "Scaled")
    assert (rows["unused"].params, rows["unused"].calls) == (4 * 7 + 7, 0)
    assert rows["."].params == 4
    assert block.kernel is block.stride is block.padding is block.groups is None
    assert block.intensity == block.flops / (block.read_bytes + block.written_bytes)


def test_depth_0_is_one_row_for_the_model():
    (row,) = to_depth(odd(), 0).rows
    assert (row.name, row.type, row.params) == (".", "Odd", odd().totals.params)


def test_a_depth_below_all_rows_changes_nothing():
    table = odd()
    assert to_depth(table, 9).rows == table.rows


def test_names_with_a_slash_fold_into_their_module():
    class Add(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = nn.ModuleDict({"a/b": nn.Sequential(nn.Linear(4, 4)), "c": nn.Linear(4, 4)})

        def forward(self, x):
            return self.inside["c"](self.inside["a/b"](x)) + 1

    table = layer_table(trace(nn.Sequential(Add()), torch.empty(1, 4, device="meta")))
    assert [row.name for row in to_depth(table, 3).rows] == ["0.inside.a/b", "0.inside.c", "0/add"]
    assert [row.name for row in to_depth(table, 2).rows] == ["0.inside", "0/add"]
    assert [row.name for row in to_depth(table, 1).rows] == ["0"]


def test_a_negative_depth_is_refused():
    with pytest.raises(archbench.UsageError, match="depth=-1 is not a valid depth; give a whole number from 0"):
        archbench.summarize(nn.Linear(3, 4), "3").view(depth=-1)


def test_a_saved_summary_folds_too(tmp_path):
    summary = archbench.summarize(Odd(), "4")
    summary.save(tmp_path / "odd.json")
    saved = archbench.Summary.from_json(tmp_path / "odd.json").view(depth=1).to_frame()
    whole = summary.view(depth=1).to_frame()
    assert saved.name.tolist() == whole.name.tolist()
    assert saved.macs.tolist() == whole.macs.tolist()
