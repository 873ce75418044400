"""Check out a user's files at a git revision into a temporary folder that lasts as long as the process."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from archbench.errors import AddressError

# One folder per repository and revision; the objects remove them when the process ends.
_FOLDERS: dict[tuple[Path, str], tempfile.TemporaryDirectory[str]] = {}


def checked_out(revision: str, path: Path) -> Path:
    """Return the path of the file `path` as of `revision`, with all other files of that revision around it.

    Raises AddressError if git is not installed, the path is not in a repository, or the revision lacks the file.
    """
    absolute = path.absolute()
    folder, root = _repository(absolute)
    key = root, _commit(root, revision)
    if key not in _FOLDERS:
        folder_of_revision = tempfile.TemporaryDirectory(prefix="archbench-")
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", key[1]))) as archive:
            archive.extractall(folder_of_revision.name, filter=_inside)
        _FOLDERS[key] = folder_of_revision
    # The path may reach the repository through a link.
    inside = (folder.resolve() / absolute.relative_to(folder)).relative_to(root.resolve())
    file = Path(_FOLDERS[key].name) / inside
    if not file.is_file():
        raise AddressError(f"revision {revision} has no file '{inside}'")
    return file


def _inside(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Return a member as the `data` filter accepts it, None for a link that leads out of the repository."""
    try:
        return tarfile.data_filter(member, folder)
    except tarfile.FilterError:
        return None


def parse_revision(place: str, address: str) -> tuple[str, Path]:
    """Return the revision and the path of `git:REVISION:path/to/net.py`. Raises AddressError, naming the address."""
    _, revision, path = [*place.split(":", 2), ""][:3]
    if not revision or not path.endswith(".py"):
        raise AddressError(f"'{address}' names no file at a revision; write git:REVISION:path/to/net.py:Name")
    return revision, Path(path)


def commit_of(revision: str, path: Path) -> str:
    """Return the full hash of a revision in the repository of a file. Raises AddressError."""
    return _commit(_repository(path.absolute())[1], revision)


def _repository(path: Path) -> tuple[Path, Path]:
    """Return the nearest existing folder above a path, and the root of its repository."""
    folder = next(parent for parent in path.parents if parent.is_dir())
    return folder, Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())


def _commit(root: Path, revision: str) -> str:
    options = ("--verify", "--quiet", "--end-of-options")
    return _git(root, "rev-parse", *options, f"{revision}^{{commit}}", revision=revision).decode().strip()


def _git(folder: Path, *arguments: str, revision: str | None = None) -> bytes:
    """Return the output of git. Raises AddressError, about `revision` if one is given."""
    try:
        process = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise AddressError("addresses that begin with git: require git, which is not installed") from error
    if process.returncode:
        lines = process.stderr.decode(errors="replace").strip().splitlines()
        raise AddressError(f"unknown revision '{revision}'" if revision else f"git: {lines[-1] if lines else 'failed'}")
    return process.stdout
