"""Names of the models of torchvision and timm, read from their source: importing them takes seconds, this 30 ms."""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path

LIBRARIES = ("torchvision", "timm")

# `@register_model()`, `@register_model` or `@register_model(name="x")`, perhaps other decorators, `def builder(`.
_REGISTERED = re.compile(
    r'^@register_model(?:\(\s*(?:name\s*=\s*)?(?:"([^"]+)")?\s*\))?\n'
    r"(?:@.*\n(?:[ )].*\n)*)*"
    r"def (\w+)",
    re.MULTILINE,
)


@functools.cache
def library_names(library: str) -> tuple[str, ...]:
    """Return the names that a library's `list_models()` has, in its order; none if it is not installed."""
    folder = _folder(library)
    files = [] if folder is None else (folder / "models").rglob("*.py")
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    names = {match[1] or match[2] for text in texts for match in _REGISTERED.finditer(text)}
    return tuple(sorted(names, key=_natural if library == "timm" else str))


def _folder(library: str) -> Path | None:
    """Return the folder of a package without importing it, None if there is none."""
    try:
        spec = importlib.util.find_spec(library)
    except ValueError:  # a module of that name was made by hand
        return None
    places = None if spec is None else spec.submodule_search_locations
    return Path(next(iter(places))) if places else None


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts resnet50 before resnet101."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
