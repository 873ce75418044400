from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import archbench
from archbench.reporting.tables.module_tree import tree_rows


class Scaled(nn.Module):
    """A layer, an operator, and a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.factor = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.linear(x) * self.factor


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(Scaled(), nn.ReLU())
        self.stages = nn.ModuleDict({"only": nn.Sequential(nn.Linear(4, 4), nn.Tanh())})
        self.head = nn.Sequential(nn.Linear(4, 2))

    def forward(self, x):
        return self.head(self.stages["only"](self.body(x) + 1))


def lines_of(model):
    return [(line["name"], line["type"]) for line in tree_rows(archbench.summarize(model, "4").table)]


def test_modules_with_children_are_lines_above_them():
    assert lines_of(Nested()) == [
        ("body", "Sequential"),
        ("  0", "Scaled"),
        ("    linear", "Linear"),
        ("    ./mul", "operator"),
        ("    .", "Scaled"),
        ("  1", "ReLU"),
        ("./add", "operator"),
        ("stages.only", "Sequential"),  # a module with a single child shares its line
        ("  0", "Linear"),
        ("  1", "Tanh"),
        ("head.0", "Linear"),
    ]


@pytest.mark.parametrize("model", ["torchvision:vit_b_16", "torchvision:resnet50", "torchvision:densenet121"])
@pytest.mark.parametrize("field", ["params", "macs", "flops"])
def test_lines_outside_repeated_blocks_sum_to_the_totals(model, field):
    table = archbench.summarize(model).table
    total, inside = 0, None
    for line in tree_rows(table):
        level = len(line["name"]) - len(line["name"].lstrip(" "))
        if inside is not None and level > inside:
            continue
        inside = level if "×" in line["name"] else None
        total += line.get(field, 0)
    assert total == getattr(table.totals, field)


def test_a_flat_model_has_no_tree():
    assert tree_rows(archbench.summarize("alexnet").table) is None
    assert tree_rows(archbench.summarize(nn.Linear(3, 4), "3").table) is None


def test_a_row_twice_as_in_a_damaged_file_is_no_module_with_children():
    table = archbench.summarize(nn.Sequential(nn.Linear(4, 4)), "4").table
    assert tree_rows(replace(table, rows=table.rows * 2)) is None


def test_files_have_names_in_full():
    summary = archbench.summarize(Nested(), "4")
    names = [row["name"] for row in summary.to_dict()["layers"]]
    assert names[:3] == ["body.0.linear", "body.0/mul", "body.0"]
    assert "body.0/mul,mul" in summary.render("csv")
