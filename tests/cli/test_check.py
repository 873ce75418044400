from __future__ import annotations

import json

import pytest

from cli.main import run


@pytest.fixture
def check(capsys):
    def call(*arguments):
        code = run(["check", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_limits_that_are_kept_exit_0_and_missed_ones_1_with_the_excess(check):
    # LeNet has 61,706 parameters and 416,520 MACs.
    assert check("lenet", "--max-params", "61,706", "--max-macs", "1M")[0] == 0
    code, out, _ = check("lenet", "--max-params", "60K", "--max-macs", "0.5M", "--format", "json")
    assert code == 1
    rows = {row["quantity"]: row for row in json.loads(out)}
    assert (rows["params"]["excess"], rows["params"]["verdict"]) == (1_706, "missed")
    assert (rows["macs"]["excess"], rows["macs"]["verdict"]) == (-83_480, "ok")


def test_one_limit_is_singular(check):
    # LeNet has 61,706 parameters.
    assert check("lenet", "--max-params", "61,706")[1].startswith("lenet: 1 limit kept\n")
    assert check("lenet", "--max-params", "61,705")[1].startswith("lenet: 1 limit missed\n")


def test_a_baseline_may_be_undercut_but_not_exceeded(check, tmp_path):
    path = str(tmp_path / "baseline.json")
    assert check("vgg13", "--against", path, "--update") == (0, "", f"wrote {path}\n")
    assert check("vgg13", "--against", path)[0] == 0
    assert check("vgg11", "--against", path)[0] == 0
    code, out, _ = check("vgg16", "--against", path)
    assert code == 1
    assert "5 of 5 limits missed" in out
    # 138,357,544 less 133,047,848.
    assert "5,309,696" in out


def test_peak_memory_is_that_of_the_mode(check):
    # LeNet's 61,706 parameters are 246,824 bytes; a training step has them, their momentum and their gradients.
    code, out, _ = check("lenet", "--max-peak-memory", "300KB", "--format", "json")
    assert (code, json.loads(out)[0]["quantity"]) == (0, "peak_inference_bytes")
    code, out, _ = check("lenet", "--max-peak-memory", "700KB", "--mode", "train", "--format", "json")
    assert (code, json.loads(out)[0]["quantity"]) == (1, "peak_training_bytes")
    assert json.loads(out)[0]["value"] > 3 * 246_824


def test_training_costs_are_held_too(check, tmp_path):
    path = str(tmp_path / "baseline.json")
    assert check("lenet", "--against", path, "--update", "--mode", "train")[0] == 0
    code, out, _ = check("lenet", "--against", path, "--mode", "train", "--format", "json")
    assert code == 0
    assert "training_macs" in {row["quantity"] for row in json.loads(out)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is nothing to check; give a limit such as --max-params 5M"),
        (["--update"], "--update writes the file that --against names"),
        (["--max-macs", "5Q"], "--max-macs: '5Q' is not a count such as 600M"),
        (["--max-params", "-5"], "'-5' is not a count"),
        (["--max-param-bytes", "2G"], "'2G' is not a size such as 2GiB"),
        (["--against", "missing.json"], "--against missing.json does not exist; save a summary there first"),
        (["--against", "broken.json"], "'broken.json' is not a summary"),
        (["--against", "list.json"], "'list.json' is not a summary"),
        (["--against", "empty.json"], "'empty.json' has no total to compare with"),
        (["--against", "a.json", "--update", "--max-params", "1"], "--update writes a baseline and checks nothing"),
        (["--max-params", "1e999999999"], "is not a count"),
        (["--against", "other.json"], "'other.json' was made with inputs [[1, 3, 227, 227]], this is [[1, 1, 32, 32]]"),
    ],
)
def test_bad_use_is_one_line(check, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[1]")
    conditions = '"inputs": [[1, 1, 32, 32]], "dtype": "float32", "mode": "eval"'
    (tmp_path / "empty.json").write_text(f'{{"totals": {{}}, {conditions}}}')
    (tmp_path / "other.json").write_text('{"totals": {"params": 1}, "inputs": [[1, 3, 227, 227]], "mode": "eval"}')
    code, out, err = check("lenet", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_what_was_not_counted_is_said_beside_the_verdict(check, tmp_path):
    (tmp_path / "bessel.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n    def forward(self, x):\n        return torch.special.bessel_j0(x)\n"
    )
    code, _, err = check(f"{tmp_path}/bessel.py:Net", "--input", "4", "--max-flops", "1M")
    assert code == 0
    assert "aten.special_bessel_j0 (1×)" in err
