from __future__ import annotations

import json

import pytest
from torch import nn

import archbench
from cli.main import run

# A linear layer of 3 inputs and 4 outputs: 12 weights and 4 biases in 4 bytes each, 12 MACs.
NET = nn.Linear(3, 4)


def test_limits_are_numbers_or_text():
    result = archbench.check(NET, "3", max_params=16, max_macs="0.01K", max_param_bytes="64 B")
    assert [(row.quantity, row.value, row.limit, row.verdict) for row in result.rows] == [
        ("params", 16, 16, "ok"),
        ("macs", 12, 10, "missed"),
        ("param_bytes", 64, 64, "ok"),
    ]
    assert not result.passed
    assert archbench.check(NET, "3", max_params=16, max_param_bytes=64).passed


def test_a_check_shows_itself(tmp_path):
    result = archbench.check(NET, "3", max_params=15)
    assert repr(result) == "<CheckResult of Linear: 1 limit missed>"
    assert str(result).startswith("Linear: 1 limit missed\n")
    assert "max_params" in str(result)
    assert result.to_frame().loc[0, "excess"] == 1
    assert "missed" in result._repr_html_()
    result.save(tmp_path / "check.json")
    assert json.loads((tmp_path / "check.json").read_text()) == result.to_dict()


def test_a_baseline_is_a_summary_or_its_file(tmp_path):
    path = tmp_path / "vgg13.json"
    summary = archbench.summarize("vgg13")
    summary.save(path)
    for baseline in (summary, path, str(path)):
        assert archbench.check("vgg11", baseline=baseline).passed
        # VGG-16 has three more convolutions.
        assert {row.verdict for row in archbench.check("vgg16", baseline=baseline).rows} == {"missed"}


def test_a_baseline_needs_no_more_than_totals_and_conditions(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text('{"totals": {"params": 16}, "inputs": [[1, 3]], "dtype": "float32", "mode": "eval"}')
    (row,) = archbench.check(NET, "3", baseline=path).rows
    assert (row.quantity, row.limit, row.source) == ("params", 16, str(path))


def test_rows_are_what_the_command_prints_except_for_the_option(capsys):
    result = archbench.check("lenet", max_params="5M", max_flops="1K")
    assert run(["check", "lenet", "--max-params", "5M", "--max-flops", "1K", "--format", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [row.pop("source") for row in rows] == ["--max-params", "--max-flops"]
    assert [{**row, "source": name} for row, name in zip(rows, ("max_params", "max_flops"), strict=True)] == (
        result.to_dict()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give a limit such as max_params='5M', or baseline"),
        ({"max_macs": "5Q"}, "max_macs: '5Q' is not a count such as 600M"),
        ({"max_peak_memory": "2G"}, "max_peak_memory: '2G' is not a size such as 2GiB"),
        ({"baseline": "missing.json"}, "baseline='missing.json' does not exist"),
        ({"max_params": 1, "mode": "test"}, "mode='test' is not one of eval, train"),
    ],
)
def test_bad_arguments_are_named(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(archbench.ArchbenchError) as raised:
        archbench.check(NET, "3", **arguments)
    assert message in str(raised.value)
