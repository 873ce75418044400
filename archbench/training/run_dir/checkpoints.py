"""Checkpoints that survive being killed at any moment: written beside, flushed, renamed; the last two are kept.

A file's name carries the digest of its content, so that one that was cut short or changed is known without a second
file: `checkpoint-00001200-4f1c….pt`. It is a plain torch file of tensors and simple values.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archbench.files import write_whole
from archbench.training.run_dir.paths import make_folder

_NAME = re.compile(r"checkpoint-(?P<step>\d{8})-(?P<digest>[0-9a-f]{16})\.pt")
_KEPT = 2


@dataclass(frozen=True, slots=True)
class Loaded:
    """The content of the newest checkpoint that is whole, None if none is, and the damaged ones that are newer."""

    content: dict[str, Any] | None
    damaged: tuple[Path, ...]


def save(folder: Path, step: int, content: dict[str, Any]) -> Path:
    """Write a checkpoint and remove all but the last two. Raises OutputError, with the earlier ones untouched."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    make_folder(folder)
    path = folder / f"checkpoint-{step:08d}-{_digest(data)}.pt"
    write_whole(path, data)
    for old in list(_newest_first(folder))[_KEPT:]:
        old.unlink(missing_ok=True)
    return path


def load(folder: Path) -> Loaded:
    """Return the newest checkpoint that is whole, and which are not. No code in a file is run."""
    damaged: list[Path] = []
    for path in _newest_first(folder):
        data = path.read_bytes()
        if _digest(data) == _named(path)["digest"]:
            try:
                return Loaded(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True), tuple(damaged))
            except (pickle.UnpicklingError, RuntimeError):
                pass  # somebody else's file under a name of ours: as good as damaged
        damaged.append(path)
    return Loaded(None, tuple(damaged))


def remove(folder: Path) -> None:
    """Remove all checkpoints of a folder."""
    for path in _newest_first(folder):
        path.unlink(missing_ok=True)


def _newest_first(folder: Path) -> Iterator[Path]:
    found = [path for path in folder.glob("checkpoint-*.pt") if _NAME.fullmatch(path.name)]
    yield from sorted(found, key=lambda path: (int(_named(path)["step"]), path.stat().st_mtime_ns), reverse=True)


def _named(path: Path) -> re.Match[str]:
    match = _NAME.fullmatch(path.name)
    assert match is not None, "only such names are looked at"
    return match


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
