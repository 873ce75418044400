"""The identity of a model: an address that means the same from every folder and after every commit."""

from __future__ import annotations

from pathlib import Path

from archbench.models.revisions import commit_of, parse_revision


def from_here(address: str) -> str:
    """Return an address with the path of a file below the working directory relative to it: `net.py:Net`."""
    place, colon, name = address.rpartition(":")
    path, here = Path(place), Path.cwd()
    is_below = path.is_absolute() and path.is_relative_to(here)
    return f"{path.relative_to(here)}{colon}{name}" if is_below else address


def resolved(address: str) -> str:
    """Return an address with a file's absolute path in place of its path, and a commit in place of a git revision.

    Raises AddressError for an unknown revision.
    """
    place, colon, name = address.rpartition(":")
    if place.startswith("git:"):
        revision, path = parse_revision(place, address)
        return f"git:{commit_of(revision, path)}:{path.resolve()}{colon}{name}"
    return f"{Path(place).resolve()}{colon}{name}" if place.endswith(".py") else address
