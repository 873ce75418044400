"""Standard output as a file: `-` and `/dev/stdout` are written to, and what stood there before stays."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMANDS = [
    ("summary lenet --format csv", b"index,name,"),
    ("compare lenet --format json", b"[\n  {"),
    ("draw lenet", b"<svg "),
    ("draw lenet --format png", b"\x89PNG"),
    ("plot layers lenet", b"<svg "),
]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["-", "/dev/stdout"])
@pytest.mark.parametrize(("command", "beginning"), COMMANDS)
def test_standard_output_is_appended_to_and_never_replaced(tmp_path, path, command, beginning):
    log = tmp_path / "log.txt"
    log.write_bytes(b"before\n")
    with log.open("ab") as stream:
        arguments = [sys.executable, "-m", "archbench", *command.split(), "--output", path]
        assert subprocess.run(arguments, stdout=stream, cwd=tmp_path).returncode == 0
    assert log.read_bytes().startswith(b"before\n" + beginning)
    assert [file.name for file in tmp_path.iterdir()] == ["log.txt"]


def test_a_dash_prints_the_table_and_notes_no_file(archbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert archbench("summary", "lenet", "--output", "-") == archbench("summary", "lenet")
    assert archbench("summary", "lenet", "--csv", "-") == archbench("summary", "lenet", "--format", "csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("command", "ending"), [("draw lenet", "png"), ("plot layers lenet", "html")])
def test_the_format_of_a_picture_names_its_file_or_overrides_the_ending(
    archbench, tmp_path, monkeypatch, command, ending
):
    monkeypatch.chdir(tmp_path)
    assert archbench(*command.split(), "--format", ending)[0] == 0
    assert [file.suffix for file in tmp_path.iterdir()] == [f".{ending}"]
    assert archbench(*command.split(), "--format", "svg", "--output", "picture.dat")[0] == 0
    assert (tmp_path / "picture.dat").read_text("utf-8").startswith("<svg ")
