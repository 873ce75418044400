from __future__ import annotations

import subprocess

import pytest

from archbench.errors import AddressError
from archbench.models.address import find
from archbench.models.revisions import checked_out


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of two commits, the working folder being below its root."""

    def git(*arguments):
        identity = ("-c", "user.name=A", "-c", "user.email=a@b.c")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for width in (3, 5):
        (folder / "blocks.py").write_text(f"WIDTH = {width}\n")
        (folder / "net.py").write_text(
            "from torch import nn\nfrom blocks import WIDTH\n"
            "class Net(nn.Linear):\n    def __init__(self):\n        super().__init__(7, WIDTH)\n"
        )
        git("add", "-A")
        git("commit", "-m", f"width {width}")
    return folder


def test_a_file_and_what_it_imports_are_those_of_the_revision(repository):
    widths = [find(address).build().out_features for address in ("net.py:Net", "git:HEAD~1:net.py:Net", "net.py:Net")]
    assert widths == [5, 3, 5]
    assert find(f"git:HEAD~1:{repository}/net.py:Net").build().out_features == 3


def test_a_file_that_is_no_more_can_still_be_named(repository):
    (repository / "net.py").unlink()
    assert checked_out("HEAD", repository / "net.py").read_text().startswith("from torch")


@pytest.mark.parametrize("target", ["/mnt/data", "../../elsewhere", "/"])
def test_links_that_leave_the_repository_are_left_out(repository, target):
    (repository / "data").symlink_to(target)
    (repository / "near.py").symlink_to("net.py")
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@b.c")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "links"], check=True)
    assert find("git:HEAD:net.py:Net").build().out_features == 5
    assert find("git:HEAD:near.py:Net").build().out_features == 5


@pytest.mark.parametrize("revision", ["HEAD@{0}", "@", "@{0}", "@~0"])
def test_a_revision_may_have_an_at_sign(repository, revision):
    assert find(f"git:{revision}:net.py:Net").build().out_features == 5


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("git:nowhere:net.py:Net", "unknown revision 'nowhere'"),
        ("git:--help:net.py:Net", "unknown revision '--help'"),
        ("git:HEAD:other.py:Net", "revision HEAD has no file 'models/other.py'"),
        ("git:HEAD:net:Net", "names no file at a revision; write git:REVISION:path/to/net.py:Name"),
        ("git:net.py:Net", "names no file at a revision"),
    ],
)
def test_what_is_not_there_is_said(repository, address, message):
    with pytest.raises(AddressError, match=message):
        find(address)


def test_outside_a_repository_git_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(AddressError, match="git: fatal: not a git repository"):
        checked_out("HEAD", tmp_path / "net.py")
