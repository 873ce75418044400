"""Checkpoints that survive a kill at any moment: written to a temporary file, flushed, renamed; the last two stay.

A file's name contains the digest of its content, so that a truncated or changed one is detected without a second file:
`checkpoint-00001200-4f1c….pt`. It is a plain torch file of tensors and simple values.
"""

from __future__ import annotations

import hashlib
import io
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
    """The content of the newest intact checkpoint, None if there is none, and the damaged ones that are newer."""

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
    """Return the newest intact checkpoint and the damaged ones, without running code in a file."""
    damaged: list[Path] = []
    for path in _newest_first(folder):
        data = path.read_bytes()
        if _digest(data) == _name_parts(path)["digest"]:
            try:
                return Loaded(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True), tuple(damaged))
            except Exception:  # torch and pickle raise almost anything
                pass  # another program's file under such a name counts as damaged
        damaged.append(path)
    return Loaded(None, tuple(damaged))


def remove(folder: Path) -> None:
    """Remove all checkpoints in a folder."""
    for path in _newest_first(folder):
        path.unlink(missing_ok=True)


def _newest_first(folder: Path) -> Iterator[Path]:
    paths = [path for path in folder.glob("checkpoint-*.pt") if _NAME.fullmatch(path.name)]
    yield from sorted(paths, key=lambda path: (int(_name_parts(path)["step"]), path.stat().st_mtime_ns), reverse=True)


def _name_parts(path: Path) -> re.Match[str]:
    match = _NAME.fullmatch(path.name)
    assert match is not None, "callers filter by name"
    return match


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
