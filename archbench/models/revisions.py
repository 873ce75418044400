"""A user's files as they were at a git revision, laid out in a temporary folder until the process ends."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from archbench.errors import AddressError

# One folder a repository and revision; removed with the objects, when the process ends.
_FOLDERS: dict[tuple[Path, str], tempfile.TemporaryDirectory[str]] = {}


def checked_out(revision: str, path: Path) -> Path:
    """Return where the file `path` lies as it was at `revision`, with everything that was beside it.

    Raises AddressError if git is not there, the path lies in no repository, or the revision does not have it.
    """
    wanted = path.absolute()
    folder, root = _places(wanted)
    key = root, _commit(root, revision)
    if key not in _FOLDERS:
        folder_of_revision = tempfile.TemporaryDirectory(prefix="archbench-")
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", key[1]))) as archive:
            archive.extractall(folder_of_revision.name, filter="data")
        _FOLDERS[key] = folder_of_revision
    # A link on the way to the repository may give it another name.
    inside = (folder.resolve() / wanted.relative_to(folder)).relative_to(root.resolve())
    found = Path(_FOLDERS[key].name) / inside
    if not found.is_file():
        raise AddressError(f"revision {revision} has no file '{inside}'")
    return found


def commit_of(revision: str, path: Path) -> str:
    """Return the full name of the commit that a revision is, in the repository of a file. Raises AddressError."""
    return _commit(_places(path.absolute())[1], revision)


def _places(path: Path) -> tuple[Path, Path]:
    """Return the nearest folder above a path that is there, and the repository that it lies in."""
    folder = next(parent for parent in path.parents if parent.is_dir())
    return folder, Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())


def _commit(root: Path, revision: str) -> str:
    said = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", what=revision)
    return said.decode().strip()


def _git(folder: Path, *arguments: str, what: str | None = None) -> bytes:
    """Return what git prints; `what` is the revision that it may not know."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise AddressError("git is not installed; it is needed for addresses that begin with git:") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise AddressError(f"there is no revision '{what}'" if what else f"git: {said[-1] if said else 'it fails'}")
    return done.stdout
