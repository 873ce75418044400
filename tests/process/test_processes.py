"""The installed command in processes of its own, as a user has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.fork_server import SCRIPT as ARCHBENCH
from tests.helpers.terminal import shown_in_terminal

pytestmark = pytest.mark.slow


def start(*command, **options):
    return subprocess.run([ARCHBENCH, *command], capture_output=True, text=True, timeout=120, **options)


def test_script_and_module_are_the_same(new_interpreters):
    as_module = subprocess.run([sys.executable, "-m", "archbench", "list"], capture_output=True, text=True, check=True)
    assert as_module.stdout == start("list").stdout


def test_help_and_completion_import_neither_torch_nor_pandas(tmp_path):
    # A stand-in that fails on import comes first on the path.
    for name in ("torch", "pandas"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert "compare" in start("--help", env=environment).stdout
    for command in ("summary", "compare", "costs", "list"):
        assert "Example: archbench" in start(command, "--help", env=environment).stdout
    for shell, variables in {
        "bash": {"COMP_WORDS": "archbench summary vgg16", "COMP_CWORD": "2"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "archbench summary vgg16"},
    }.items():
        completing = {**environment, "_ARCHBENCH_COMPLETE": f"complete_{shell}", **variables}
        found = start(env=completing).stdout
        assert all(name in found for name in ("vgg16", "vgg16_bn", "vgg16c"))
        assert "vgg19" not in found


def test_completion_works_in_a_real_bash(tmp_path):
    script = start("--show-completion", "bash", env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    (tmp_path / "completion.sh").write_text(script.stdout)
    ask = (
        f"PATH={Path(ARCHBENCH).parent}:$PATH; source {tmp_path}/completion.sh; "
        "COMP_WORDS=(archbench compare zfn); COMP_CWORD=2; _archbench_completion archbench; echo ${COMPREPLY[@]}"
    )
    found = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout
    assert found.split() == ["zfnet", "zfnet_wide"]


def test_an_error_is_one_line_without_a_traceback():
    process = start("summary", "vgg61")
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr == "archbench: there is no model 'vgg61'; did you mean 'vgg16'?\n"


def test_a_reader_that_leaves_early_is_no_error():
    # More than the 64 KiB that a pipe holds.
    command = [ARCHBENCH, "summary", "torchvision:densenet201", "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def assert_cannot_write(process, reason):
    assert process.returncode == 2
    assert process.stderr.startswith(f"archbench: cannot write to standard output: {reason}")
    assert process.stderr.count("\n") == 1


def test_standard_output_on_a_full_disk_is_one_line():
    with Path("/dev/full").open("w") as full:
        process = subprocess.run([ARCHBENCH, "summary", "lenet"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert_cannot_write(process, "No space left")


def test_standard_output_that_is_closed_is_one_line():
    process = subprocess.run(["bash", "-c", f"{ARCHBENCH} summary lenet >&-"], capture_output=True, text=True)
    assert_cannot_write(process, "it is closed")


def test_a_terminal_without_the_signs_still_shows_the_table():
    process = start("compare", "lenet", "lenet5", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert process.returncode == 0
    assert "0.78x" in process.stdout


def test_colours_only_where_they_are_wanted():
    command = [ARCHBENCH, "summary", "lenet"]
    coloured = shown_in_terminal(command)
    assert "\x1b[1m" in coloured
    assert "─" in coloured
    assert "\x1b[3" not in shown_in_terminal(command, NO_COLOR="1")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_with_their_code_and_no_traceback(new_interpreters, tmp_path, number, code):
    (tmp_path / "slow.py").write_text(
        "import time\nfrom torch import nn\n"
        "class Slow(nn.Module):\n"
        "    def forward(self, x):\n"
        "        print('running', flush=True)\n"
        "        time.sleep(60)\n"
    )
    target = tmp_path / "out.csv"
    target.write_text("old")
    command = [ARCHBENCH, "summary", f"{tmp_path}/slow.py:Slow", "--input", "3", "--csv", str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "running\n"
        time.sleep(0.2)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert target.read_text() == "old"


@pytest.mark.parametrize("command", ["compare alexnet zfnet vgg16", "summary vgg16", "summary googlenet"])
def test_the_path_of_summary_and_compare_avoids_slow_imports(command):
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "archbench", *command.split()], capture_output=True, text=True
    )
    imported = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert "torch" in imported
    assert not {"pandas", "sympy", "torch._dynamo", "torchvision"} & imported


POLLUTING = """
import ctypes, sys
import torch
class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(4, 2)
    def forward(self, x):
        {statement}
        return super().forward(x)
"""


def buffered():
    """Return an environment in which Python buffers standard output, as it does for users."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize(
    "statement",
    [
        "sys.__stdout__.write('POLLUTED\\n')",
        "ctypes.CDLL(None).printf(b'POLLUTED\\n')",
        "sys.stdout = sys.__stdout__; print('POLLUTED')",
    ],
    ids=["python", "c", "restored"],
)
def test_what_a_model_leaves_in_a_buffer_is_not_among_the_results(tmp_path, statement):
    (tmp_path / "net.py").write_text(POLLUTING.format(statement=statement))
    command = [sys.executable, "-m", "archbench", "summary", "net.py:Net", "--input", "4", "--format", "json"]
    done = subprocess.run(command, cwd=tmp_path, env=buffered(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["macs"] == 8
    assert "POLLUTED" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_behind_standard_output_is_one_line(tmp_path):
    command = [sys.executable, "-m", "archbench", "summary", "lenet", "--format", "json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, env=buffered(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    message = "archbench: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, message)
