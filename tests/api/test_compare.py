from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import archbench
from archbench.api.compare import compare
from tests.helpers.experts import Block, Stacked


def test_compare_takes_addresses_modules_and_names():
    by_address = archbench.compare(["lenet", archbench.load("alexnet")])
    assert [row.model for row in by_address.rows] == ["lenet", "alexnet"]
    named = archbench.compare({"small": nn.Linear(3, 4), "large": nn.Linear(3, 8)}, torch.empty(1, 3))
    assert [(row.model, row.macs) for row in named.rows] == [("small", 12), ("large", 24)]
    assert repr(named) == "<Comparison of small, large>"


def test_compare_keeps_every_module_of_one_class_and_takes_a_single_model():
    rows = archbench.compare([nn.Linear(3, 4), nn.Linear(3, 8)], torch.empty(1, 3)).rows
    assert [(row.model, row.macs) for row in rows] == [("Linear", 12), ("Linear (2)", 24)]
    assert [row.model for row in archbench.compare("lenet").rows] == ["lenet"]


def test_compare_shows_a_model_as_often_as_it_is_given():
    net = nn.Linear(3, 4)
    assert [row.model for row in archbench.compare(["lenet", "lenet"]).rows] == ["lenet", "lenet"]
    assert [row.model for row in archbench.compare([net, net], "3").rows] == ["Linear", "Linear (2)"]


def test_ratios_refer_to_the_baseline():
    models = {"small": nn.Linear(3, 4), "large": nn.Linear(3, 8)}
    assert "ratios to large" in str(archbench.compare(models, "3", baseline="large"))
    with pytest.raises(archbench.UsageError, match="baseline='larg' is not one of small, large; did you mean 'large'"):
        archbench.compare(models, "3", baseline="larg")


def test_no_models_are_refused():
    with pytest.raises(archbench.UsageError, match="models is empty"):
        archbench.compare([])


def test_compare_and_its_command_give_the_same_rows(archbench):
    code, out, _ = archbench("compare", "lenet", "alexnet", "--format", "json")
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(compare(["lenet", "alexnet"]).to_dict()))


def test_active_parameters_are_a_column_where_a_model_has_experts():
    models = {"dense": nn.Linear(16, 16), "mixture": Block(Stacked("gathered"))}
    both = archbench.compare(models, torch.empty(1, 8, 16))
    # Two of four experts of 2 x 16 x 32, a router of 4 x 16 and a layer of 16 x 16.
    assert [row["active_params"] for row in both.to_dict()] == [None, 2 * 1024 + 64 + 256]
    assert "Active" in str(both)
    dense = archbench.compare({"dense": models["dense"]}, torch.empty(1, 8, 16))
    assert "active_params" not in dense.to_dict()[0]
