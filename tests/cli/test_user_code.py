"""What the user's own code prints, names, changes and raises leaves results, files and the terminal as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from archbench.store.database import Store

HOSTILE_NAME = "a\x1b]0;title\x07\n\u2028b"

NET = """
import os, subprocess
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.linear(x)

def example_inputs(batch):
    return torch.empty(batch, 4)
"""
PRINTS = """
print("while loading")
class Prints(Net):
    def __init__(self):
        super().__init__()
        print("while building")
        os.write(1, b"to the descriptor\\n")

    def forward(self, x):
        print("in forward")
        subprocess.run(["echo", "in a subprocess"])
        return super().forward(x)
"""
MOVES = """
HERE = os.getcwd()
os.chdir("/")
class Moves(Net):
    def forward(self, x):
        assert os.getcwd() == "/", "where loading went"
        return super().forward(x)
"""
WIDE = """
import cli, zoo
from cli.blocks import WIDTH
class Wide(Net):
    def forward(self, x):
        import zoo
        assert (zoo.X, WIDTH) == (5, 7)
        return super().forward(x)
"""
HOSTILE = f"""
class Hostile(Net):
    def __init__(self):
        super().__init__()
        self.add_module({HOSTILE_NAME!r}, nn.Linear(4, 4))

    def forward(self, x):
        return getattr(self, {HOSTILE_NAME!r})(super().forward(x))
"""
RAISES = """
class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no")

class Generator(Net):
    def forward(self, x):
        raise GeneratorExit

class Forward(Net):
    def forward(self, x):
        raise Unprintable

class Builder(Net):
    def __init__(self):
        raise Unprintable
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    """Write `net.py` with more code behind a small model, and change to its folder."""
    monkeypatch.chdir(tmp_path)

    def write(more="", name="net.py"):
        (tmp_path / name).write_text(NET + more)
        return tmp_path

    return write


@pytest.mark.slow
@pytest.mark.parametrize("output", [(), ("--output", "/dev/stdout")])
def test_what_a_model_prints_goes_to_standard_error(net, output):
    net(PRINTS)
    done = subprocess.run(
        [sys.executable, "-m", "archbench", "summary", "net.py:Prints", "--format", "json", *output],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["model"] == "net.py:Prints"
    printed = ("while loading", "while building", "to the descriptor", "in forward", "in a subprocess")
    assert [text for text in printed if text not in done.stderr] == []


def test_summary_in_this_process_keeps_prints_out_of_the_result(archbench, net):
    net(PRINTS)
    code, out, err = archbench("summary", "net.py:Prints", "--format", "json")
    assert (code, json.loads(out)["model"]) == (0, "net.py:Prints")
    assert "in forward" in err


def test_a_model_that_changes_directory_moves_neither_outputs_nor_addresses(archbench, net):
    folder = net(MOVES)
    net(name="other.py")
    code, _, err = archbench("compare", "net.py:Moves", "other.py:Net", "--output", "out.json")
    assert (code, err) == (0, "wrote out.json\n")
    assert [row["model"] for row in json.loads((folder / "out.json").read_text())] == ["net.py:Moves", "other.py:Net"]
    assert Path.cwd() == folder


def test_a_user_may_have_modules_named_zoo_and_cli(archbench, net):
    folder = net(WIDE)
    (folder / "zoo.py").write_text("X = 5\n")
    (folder / "cli").mkdir()
    (folder / "cli" / "__init__.py").touch()
    (folder / "cli" / "blocks.py").write_text("WIDTH = 7\n")
    for models in (("net.py:Wide", "lenet"), ("lenet", "net.py:Wide"), ("net.py:Wide", "vgg11")):
        code, out, err = archbench("compare", *models, "--format", "csv")
        assert code == 0, err
        assert [line.partition(",")[0] for line in out.splitlines()[1:]] == list(models)
    assert archbench("list")[0] == 0


@pytest.mark.slow
def test_python_m_archbench_runs_in_a_folder_with_cli_and_zoo(net):
    folder = net()
    for name in ("cli", "zoo", "results"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('the user's own')\n")
    code = f"import sys; sys.path.insert(0, {os.fspath(folder)!r}); import runpy; sys.argv[1:] = ['summary', 'lenet']\n"
    for command in (
        ["-m", "archbench", "compare", "net.py:Net", "lenet"],
        ["-c", f"{code}runpy.run_module('archbench')"],
    ):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "lenet" in done.stdout


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_control_characters_of_names_are_shown_escaped(archbench, net, format):
    net(HOSTILE)
    code, out, err = archbench("summary", "net.py:Hostile", "--format", format)
    assert (code, err) == (0, "")
    assert r"a\x1b]0;title\x07\n\u2028b" in out
    assert not {"\x1b", "\x07", "\u2028"} & set(out)


def test_csv_keeps_names_as_they_are(archbench, net):
    net(HOSTILE)
    assert f'"{HOSTILE_NAME}"' in archbench("summary", "net.py:Hostile", "--format", "csv")[1]


def test_draw_and_plot_show_control_characters_escaped(archbench, net):
    folder = net(HOSTILE)
    for style in ("blocks", "layers"):
        command = ("draw", "net.py:Hostile") if style == "blocks" else ("plot", "layers", "net.py:Hostile")
        code, _, err = archbench(*command, "--output", f"{style}.svg")
        assert code == 0, err
        text = " ".join(ElementTree.parse(folder / f"{style}.svg").getroot().itertext())
        assert "u2028" in text


def test_errors_show_control_characters_escaped(archbench):
    code, _, err = archbench("summary", "\x1b[2Jnet")
    assert (code, "\x1b" in err) == (2, False)
    assert r"\x1b[2Jnet" in err


@pytest.mark.parametrize(
    ("model", "expected", "message"),
    [
        ("Generator", 70, "internal error: GeneratorExit"),
        ("Builder", 2, "its builder fails: Unprintable"),
    ],
)
def test_whatever_a_model_raises_is_one_line(archbench, net, model, expected, message):
    net(RAISES)
    code, out, err = archbench("summary", f"net.py:{model}")
    assert (code, out) == (expected, "")
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


def test_an_unprintable_error_in_forward_is_one_line(archbench, net):
    net(RAISES)
    code, _, err = archbench("summary", "net.py:Forward")
    assert code in (2, 70)
    assert "Traceback" not in err


def test_an_internal_error_has_its_own_exit_code_and_shows_its_traceback_on_request(archbench, monkeypatch):
    def fail(*_arguments, **_options):
        raise KeyError("a defect")

    monkeypatch.setattr("archbench.costs", fail)
    code, out, err = archbench("costs")
    assert (code, out) == (70, "")
    assert err == "archbench: internal error: KeyError: 'a defect'; ARCHBENCH_TRACEBACK=1 shows where\n"
    monkeypatch.setenv("ARCHBENCH_TRACEBACK", "1")
    code, _, err = archbench("costs")
    assert code == 70
    assert err.startswith("Traceback")
    assert "test_user_code.py" in err


@pytest.mark.parametrize("address", ["sys:exit", "builtins:x", "math:sin"])
def test_a_module_without_a_file_is_one_line(archbench, address):
    code, _, err = archbench("summary", address)
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        "summary lenet --batch 99999999999999999999999",
        "summary lenet --batch １２",
        "memory lenet --batch 1..１２",
        "summary lenet@１２",
        f"summary lenet@{10**30}",
        "results --limit 99999999999999999999999",
        "results --batch 99999999999999999999999",
        f"summary lenet --batch {'9' * 5000}",
    ],
)
def test_numbers_that_are_too_large_or_have_other_digits_are_one_line(archbench, arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with Store():
        pass
    code, _, err = archbench(*arguments.split())
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"model": "a", "totals": {"params": 1' + "0" * 400 + '}, "layers": []}',
        '{"model": "a", "totals": []}',
    ],
)
def test_a_saved_summary_that_is_not_one_is_one_line(archbench, tmp_path, content):
    (tmp_path / "saved.json").write_text(content)
    code, _, err = archbench("diff", str(tmp_path / "saved.json"), "lenet")
    assert (code, err.count("\n")) == (2, 1)
    assert "is not a summary" in err
