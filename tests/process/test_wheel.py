"""The package as a wheel, in an environment of its own that sees the dependencies installed here."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("archbench", "cli", "zoo")
BUILT_FROM = (*PACKAGES, "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the archbench command of a new environment into which the wheel was installed without dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, for the build writes beside what it builds.
    source = folder / "source"
    source.mkdir()
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("archbench-*.whl")
    home = folder / "environment"
    venv.create(home, with_pip=False)
    pip("--python", home / "bin/python", "install", "--no-deps", "--no-index", wheel)
    # A line of a .pth file adds the folder alone, so that a copy installed there for development stays out of the way.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin/archbench"


def pip(*arguments: str | Path) -> None:
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments)


def run(*command: str | Path, folder: Path | None = None) -> str:
    """Return what a command prints. Nothing of the repository is on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_compare_runs_from_the_wheel(command, tmp_path):
    # The parameters by hand arithmetic: see tests/golden.
    printed = run(command, "compare", "alexnet", "zfnet", "vgg16", "--format", "csv", folder=tmp_path)
    rows = list(csv.DictReader(printed.splitlines()))
    assert [(row["model"], row["params"]) for row in rows] == [
        ("alexnet", "60965224"), ("zfnet", "62357608"), ("vgg16", "138357544"),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_wheel_brings_the_data_that_predictions_need(command, tmp_path):
    printed = run(command, "estimate", "vgg16", "--device", "h200", "--batch", "64", folder=tmp_path)
    assert "h200" in printed


@pytest.mark.slow
def test_the_command_runs_the_installed_packages(command, tmp_path):
    python = command.with_name("python")
    code = "import archbench, cli, zoo; print(archbench.__file__, cli.__file__, zoo.__file__)"
    printed = run(python, "-c", code, folder=tmp_path).split()
    assert all(Path(path).is_relative_to(command.parents[1]) for path in printed), printed
