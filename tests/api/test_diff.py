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
    assert "added" in diff._repr_html_()


def lines_of(diff):
    """Return the lines between the heading and the totals."""
    return str(diff).partition("Output\n")[2].partition("\ntotal")[0].splitlines()


def test_text_says_removed_and_added_and_data_keeps_the_names_of_the_columns(nets):
    for sides, word, name in ((nets, "added", "only_b"), (nets[::-1], "removed", "only_a")):
        diff = archbench.diff(*sides, "3")
        assert f"1 {word}, 2 the same" in str(diff)
        assert [line.split()[:3] for line in lines_of(diff)] == [[word, "2", "Linear"]]
        assert name not in str(diff)
        assert diff.to_dict()[-1]["change"] == name


def wider(width):
    """A convolution of `width` maps, layers that only pass its shape on, and a head."""
    return nn.Sequential(
        nn.Conv2d(3, width, 3), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(9 * width, 10)
    )


def test_layers_with_nothing_but_a_shape_handed_down_are_one_row(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    diff = archbench.diff(wider(4), wider(8), "3x8x8")
    first, head, follow = lines_of(diff)
    assert "output 4x6x6 -> 8x6x6" in first
    assert "input 36 -> 72" in head
    # ReLU, pooling, ReLU and the flat view: 4 maps more of 6x6 and three times 3x3 values of 4 bytes.
    assert "4 follow: output shape only" in follow
    assert follow.endswith("+1,008 B")
    assert len(diff.to_dict()) == len(diff.render("csv").splitlines()) - 1 == 6
    assert len(lines_of(archbench.diff(wider(4), wider(8), "3x8x8", show_same=True))) == 6


def test_a_single_layer_that_follows_is_not_folded():
    nets = [nn.Sequential(nn.Linear(3, features), nn.ReLU()) for features in (4, 5)]
    assert "output 4 -> 5" in lines_of(archbench.diff(*nets, "3"))[1]


def test_a_product_that_costs_more_for_the_shape_handed_down_is_shown():
    nets = [nn.Sequential(nn.Conv2d(3, 4, 3, stride=step), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.ReLU()) for step in (2, 1)]
    first, second, follow = lines_of(archbench.diff(*nets, "3x9x9"))
    assert "stride 2 -> 1" in first
    # 4·4·9 weights at 5·5 places instead of 2·2.
    assert "output 4x2x2 -> 4x5x5" in second
    assert "+3.024K" in second
    assert "2 follow" in follow


def test_each_change_of_a_layer_has_its_own_line_of_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = lines_of(archbench.diff("alexnet", "zfnet"))
    assert [line.strip() for line in lines[1:3]] == ["stride 4 -> 2", "padding 0 -> 1"]
    assert lines[0].split("  ")[:3] == ["changed", "conv1", "kernel 11x11 -> 7x7"]


def test_layers_that_differ_by_a_bias_say_what_differs():
    nets = [nn.Sequential(nn.Linear(3, 4, bias=bias)) for bias in (True, False)]
    (line,) = lines_of(archbench.diff(*nets, "3"))
    assert line.split() == ["changed", "0", "parameters", "-4", "0", "0"]


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
