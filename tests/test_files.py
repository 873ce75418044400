from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from archbench.errors import OutputError
from archbench.files import records_from_csv, write_whole


def test_a_file_is_written_with_ordinary_permissions(tmp_path):
    path = tmp_path / "new.csv"
    write_whole(path, "a,b\n")
    assert path.read_text() == "a,b\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_bytes_are_written_as_they_are(tmp_path):
    write_whole(tmp_path / "a.png", b"\x89PNG\r\n\xff")
    assert (tmp_path / "a.png").read_bytes() == b"\x89PNG\r\n\xff"


def test_a_byte_of_a_name_that_is_no_utf8_is_written_as_json_escapes_it(tmp_path):
    name = os.fsdecode(b"net\xe9.py")
    write_whole(tmp_path / "a.json", f'"{name}"')
    written = (tmp_path / "a.json").read_bytes()
    assert written == rb'"net\udce9.py"'
    assert json.loads(written) == name


def test_an_earlier_file_keeps_its_permissions_and_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize("path", ["missing/x.csv", "folder"])
def test_what_cannot_be_written_is_one_error_and_nothing_is_left(tmp_path, path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_whole(tmp_path / path, "text")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "through")
    reader.join()
    assert received == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


WRITE = "import sys; from pathlib import Path; from archbench.files import write_whole; "


def test_a_full_disk_loses_nothing(tmp_path):
    # A limit on the size of files fails a write in its middle, like a disk that fills up.
    path = tmp_path / "table.csv"
    path.write_text("old")
    process = subprocess.run(
        [sys.executable, "-c", WRITE + "write_whole(Path(sys.argv[1]), 'x' * 100_000)", str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
    )
    assert "OutputError: cannot write" in process.stderr
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.csv"]


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    code = WRITE + (
        "import os, signal; import cli.main; cli.main.signal.signal(signal.SIGTERM, cli.main._terminate)\n"
        "os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGTERM)\n"
        "try: write_whole(Path(sys.argv[1]), 'new')\n"
        "except cli.main.TerminatedError: sys.exit(143)"
    )
    process = subprocess.run([sys.executable, "-c", code, str(path)])
    assert process.returncode == 143
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.csv"]


def test_records_are_read_from_csv_by_the_types_of_their_fields():
    @dataclass(frozen=True)
    class Row:
        name: str
        count: int
        rate: float
        is_fused: bool

    text = 'is_fused,name,count,rate\nTrue,"a, b",3,0.5\nFalse,c,4,1\n'
    assert records_from_csv(text, Row) == [Row("a, b", 3, 0.5, True), Row("c", 4, 1.0, False)]


def test_an_open_descriptor_is_written_to_from_where_it_stands(tmp_path):
    path = tmp_path / "log.txt"
    with path.open("wb") as stream:
        stream.write(b"before\n")
        stream.flush()
        link = tmp_path / "link"
        link.symlink_to(f"/dev/fd/{stream.fileno()}")
        write_whole(Path(f"/dev/fd/{stream.fileno()}"), "a\n")
        write_whole(link, "b\n")
        stream.write(b"after\n")
    assert path.read_text() == "before\na\nb\nafter\n"
    assert link.is_symlink()
