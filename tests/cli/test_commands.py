from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from archbench.trace.costs import all_rules
from cli.main import run


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_summary_prints_a_table(archbench):
    code, out, err = archbench("summary", "alexnet")
    assert (code, err) == (0, "")
    assert out.splitlines()[2].split()[:3] == ["conv1", "Conv2d", "96x55x55"]
    assert "60.97M" in out


def test_summary_in_every_format(archbench):
    assert len(rows_of(archbench("summary", "lenet", "--format", "csv")[1])) == 12
    document = json.loads(archbench("summary", "lenet", "--format", "json", "--batch", "4")[1])
    assert (document["model"], document["batch"], document["inputs"]) == ("lenet", 4, [[4, 1, 32, 32]])
    assert document["totals"]["macs"] == 4 * 416_520
    assert archbench("summary", "lenet", "--format", "markdown")[1].splitlines()[2].startswith("| Layer |")


def test_the_format_follows_the_ending_unless_said(archbench, tmp_path):
    for name in ("a.csv", "a.json", "a.md", "a.txt"):
        code, out, err = archbench("summary", "lenet", "--output", str(tmp_path / name))
        assert (code, out) == (0, "")
        assert err == f"wrote {tmp_path / name}\n"
    assert len(rows_of((tmp_path / "a.csv").read_text())) == 12
    assert json.loads((tmp_path / "a.json").read_text())["model"] == "lenet"
    assert "| conv1 |" in (tmp_path / "a.md").read_text()
    assert "conv1 " in (tmp_path / "a.txt").read_text()
    archbench("summary", "lenet", "--output", str(tmp_path / "B.CSV"))
    assert (tmp_path / "B.CSV").read_text() == (tmp_path / "a.csv").read_text()
    archbench("summary", "lenet", "--output", str(tmp_path / "b.dat"), "--format", "json")
    assert json.loads((tmp_path / "b.dat").read_text())["model"] == "lenet"
    archbench("summary", "lenet", "--csv", str(tmp_path / "c"))
    assert len(rows_of((tmp_path / "c").read_text())) == 12


def test_a_model_whose_path_is_no_utf8_is_written_to_files_of_every_kind(archbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = os.fsdecode(b"net\xe9.py")
    Path(net).write_text("from torch import nn\ndef Net():\n    return nn.Linear(3, 4)\n")
    for name in ("a.csv", "a.json", "a.md", "a.txt"):
        code, _, _ = archbench("compare", f"{net}:Net", "--input", "3", "--output", name)
        assert code == 0
        assert r"net\udce9.py" in Path(name).read_text()
    assert json.loads(Path("a.json").read_text())[0]["model"] == f"{net}:Net"
    for name in ("a.svg", "a.png"):
        assert archbench("draw", f"{net}:Net", "--input", "3", "--output", name)[0] == 0
    assert r"net\udce9.py" in Path("a.svg").read_text()


def test_inputs_are_taken_from_the_command_line(archbench):
    code, out, _ = archbench("summary", "torchvision:resnet18", "--input", "3x64x64", "--format", "csv")
    assert code == 0
    assert rows_of(out)[0]["output_shape"] == "64x32x32"


def test_compare_has_one_row_a_model_with_ratios(archbench):
    code, out, err = archbench("compare", "alexnet", "zfnet", "vgg16")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "eval, batch 1, ratios to alexnet"
    # 138,357,544 / 60,965,224 = 2.269 and 15,470,264,320 / 724,406,816 = 21.36
    assert "138.4M 2.27×" in lines[4]
    assert "15.47G 21.4×" in lines[4]
    assert "Errors: as published, each by the protocol that 'archbench list' has." in out
    assert (
        archbench("compare", "alexnet", "zfnet", "--baseline", "zfnet")[1].splitlines()[0].endswith("ratios to zfnet")
    )


def test_compare_as_csv_and_json_has_raw_numbers(archbench):
    first, second = rows_of(archbench("compare", "alexnet", "lenet", "--format", "csv")[1])
    assert (first["model"], first["title"], first["year"], first["input_shape"]) == (
        "alexnet",
        "AlexNet",
        "2012",
        "3x227x227",
    )
    assert first["reported_top5_error_percent"] == "18.2"
    assert second["reported_top5_error_percent"] == ""
    documents = json.loads(archbench("compare", "alexnet", "lenet", "--format", "json")[1])
    assert documents[1]["params"] == 61_706
    assert documents[1]["input_shape"] == [1, 1, 32, 32]


@pytest.mark.parametrize("other", [["alexnet@10"], ["alexnet", "--input", "3x229x229"]])
def test_a_published_error_is_of_the_classes_and_the_input_it_was_published_for(archbench, other):
    (row,) = rows_of(archbench("compare", *other, "--format", "csv")[1])
    assert row["reported_top5_error_percent"] == ""
    assert "reported error on" not in archbench("compare", *other)[1]


def test_list_names_every_model_of_the_zoo(archbench):
    models = json.loads(archbench("list", "--format", "json")[1])
    assert len(models) == 30
    assert {"name", "title", "year", "input_shape", "paper", "differences"} <= set(models[0])


def test_costs_prints_a_rule_for_every_operator(archbench):
    rules = {row["operator"]: row["rule"] for row in rows_of(archbench("costs", "--format", "csv")[1])}
    assert "2 per MAC, 1 per bias add" in rules["aten.convolution"]
    assert rules["aten.relu"] == "FLOPs: 1 per element of the result (complex: 2)"


def test_costs_names_operators_with_the_same_rule_together(archbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = archbench("costs")[1].splitlines()
    assert max(map(len, lines)) <= 80
    first = lines.index("MACs: rows x inner size x columns (x batch); FLOPs: 2 per MAC. Of a sparse")
    assert lines[first + 2] == "  aten._int_mm, aten.bmm, aten.mm, aten.mv"
    assert lines[-1] == "Operators without a rule are listed as uncounted, never as zero."
    # Every operator is there, some name broken where it is longer than a line.
    shown = "".join(lines).replace(" ", "")
    assert all(rule.operator in shown for rule in all_rules())


def test_what_was_not_counted_or_not_used_is_said_on_standard_error(archbench, tmp_path):
    (tmp_path / "odd.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "class Odd(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.never = nn.Linear(2, 2)\n"
        "    def forward(self, x):\n"
        "        return torch.special.bessel_j0(x) if x.sum() < 1e9 else x\n"
    )
    code, out, err = archbench("summary", f"{tmp_path}/odd.py:Odd", "--input", "5")
    assert code == 0
    assert "aten.special_bessel_j0 (1×)" in err
    assert "no operator read the parameters of never" in err
    assert (
        "run on random data (seed 0), because it reads the value of a tensor (aten._local_scalar_dense) in Odd" in err
    )
    assert "counts may depend on values" in err
    assert "real data" not in out


def test_the_users_own_lines_come_before_the_message(archbench, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(3, 3)\n"
        "    def forward(self, x):\n"
        "        return self.layer(x)\n"
    )
    code, out, err = archbench("summary", f"{tmp_path}/mine.py:Net", "--input", "5")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0].strip() == f'File "{tmp_path}/mine.py", line 7, in forward'
    assert lines[-1].endswith("layer layer (Linear) fails on input 1x5: it takes 3 features, not 5")
    assert not any("archbench/" in line and "File" in line for line in lines)


def test_a_users_example_inputs_are_used(archbench, tmp_path):
    (tmp_path / "example.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def example_inputs(batch):\n    return (torch.zeros(batch, 7), torch.zeros(batch, 7))\n"
        "class Net(nn.Module):\n    def forward(self, a, b):\n        return a @ b.T\n"
    )
    document = json.loads(archbench("summary", f"{tmp_path}/example.py:Net", "--batch", "3", "--format", "json")[1])
    assert document["inputs"] == [[3, 7], [3, 7]]
    assert document["totals"]["macs"] == 3 * 3 * 7


def test_training_is_counted_on_request(archbench):
    document = json.loads(archbench("summary", "lenet", "--mode", "train", "--format", "json")[1])
    # conv1 sees the input, which needs no gradient: one product less for each of its own.
    assert document["totals"]["training_macs"] == 3 * 416_520 - 117_600
    assert document["layers"][0]["backward_macs"] == 117_600
    assert "peak_inference_bytes" not in document["totals"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["summary", "vgg61"], "there is no model 'vgg61'; did you mean 'vgg16'?"),
        (["summary", "alexnet", "--input", "3x22x"], "'3x22x' is not a valid shape"),
        (
            ["summary", "alexnet", "--input", "3x64x64"],
            "layer pool5 (MaxPool2d) fails on input 1x256x2x2 with kernel 3x3: ",
        ),
        (["summary", "alexnet", "--input", "3x64x64"], "3x227x227, its usual input, is the smallest that works"),
        (["summary", "alexnet", "--input", "1x227x227"], "it takes 3 channels, not 1; 3x227x227 is its usual input"),
        (["summary", "torchvision:raft_small"], "has no usual input; give one, such as --input 3x224x224"),
        (["summary", "lenet", "--batch", "9" * 20], "is too large for a tensor"),
        (["summary", "lenet?num_classes=-3"], "its builder fails: RuntimeError: "),
        (["summary", "lenet", "--batch", "0"], "'0' is not a valid batch size"),
        (["summary", "lenet", "--batch", "many"], "'many' is not a valid batch size"),
        (["summary", "lenet", "--mode", "evl"], "'evl'"),
        (["summary", "lenet", "--format", "cvs"], "'cvs'"),
        (["summary", "lenet", "--fromat", "csv"], "--format"),
        (["summary", "lenet", "--output", "x.cvs"], "did you mean '.csv'?"),
        (["summary", "lenet", "--output", "x"], "none of the endings"),
        (["summary", "lenet", "--csv", "a.csv", "--output", "b.csv"], "leave the others out"),
        (["summary", "lenet", "--csv", "/no/such/folder/a.csv"], "cannot write '/no/such/folder/a.csv'"),
        (["summary"], "Missing argument 'MODEL'"),
        (["compare", "alexnet", "--baseline", "alexnt"], "did you mean 'alexnet'?"),
        (["sumary", "lenet"], "'summary'"),
    ],
)
def test_bad_use_is_one_line_and_exit_code_2(archbench, arguments, message):
    code, out, err = archbench(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("archbench: ")
    assert err.count("\n") == 1


HELP = ("--help", "bench --help", "results --help", "results compare --help")


@pytest.mark.parametrize("arguments", HELP)
def test_help_is_shown_whatever_else_is_missing(archbench, arguments):
    code, out, err = archbench(*arguments.split())
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: archbench {arguments.removesuffix('--help')}")
    assert out.count("Show this message and exit.") == 1


@pytest.mark.parametrize("arguments", HELP)
def test_help_that_cannot_be_written_is_one_line(capsys, monkeypatch, arguments):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        code = run(arguments.split())
    assert code == 2
    assert capsys.readouterr().err == "archbench: cannot write to standard output: No space left on device\n"
