from __future__ import annotations

import json

import pytest
from torch import nn

import archbench
from cli.main import run


@pytest.fixture
def nets():
    """Two networks of which the second has one layer more, of 4·4 weights and 4 biases."""
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4))


def test_an_added_layer_is_a_row(nets):
    diff = archbench.diff(*nets, "3", batch=2)
    assert [row.change for row in diff.rows] == ["same", "same", "only_b"]
    assert (diff.rows[-1].params_difference, diff.rows[-1].macs_difference) == (20, 2 * 16)
    assert diff.to_frame()["params_difference"].sum() == 20


def test_text_leaves_out_what_is_the_same_and_data_does_not(nets):
    diff = archbench.diff(*nets, "3")
    assert "2 the same" in str(diff)
    assert len(str(archbench.diff(*nets, "3", show_same=True)).splitlines()) == len(str(diff).splitlines()) + 2
    assert len(diff.to_dict()) == len(diff.to_frame()) == len(diff.render("csv").splitlines()) - 1 == 3
    assert repr(diff) == "<Diff of Sequential and Sequential: 1 of 3 layers differ>"
    assert "only_b" in diff._repr_html_()


def test_sides_are_modules_addresses_summaries_and_files(tmp_path):
    path = tmp_path / "lenet.json"
    summary = archbench.summarize("lenet")
    summary.save(path)
    for a in ("lenet", archbench.load("lenet"), summary, path, str(path)):
        assert {row.change for row in archbench.diff(a, "lenet").rows} == {"same"}


def test_the_dict_is_what_the_command_prints(capsys):
    assert run(["diff", "alexnet", "zfnet", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == archbench.diff("alexnet", "zfnet").to_dict()


def test_sides_that_were_counted_differently_are_refused(tmp_path):
    summary = archbench.summarize("lenet", batch=2)
    with pytest.raises(archbench.InputError, match="lenet and lenet were counted with batch 2 and 1; count both alike"):
        archbench.diff(summary, "lenet")


def test_a_file_without_layers_cannot_be_compared(tmp_path):
    path = tmp_path / "totals.json"
    path.write_text('{"totals": {"params": 61706, "macs": 416520}}')
    with pytest.raises(archbench.InputError, match="is not a summary with layers that sum to its totals"):
        archbench.diff(path, "lenet")
