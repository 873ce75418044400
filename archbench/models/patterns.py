"""Patterns that name several models: `vgg*`, `torchvision:resnet*`, `timm:vit_[bt]*`, `net.py:*`.

`*` and `[` make a pattern. `?` begins the arguments of an address, so it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from archbench.errors import AddressError, nearest_choice
from archbench.models.address import is_pattern, model_names, target_of
from archbench.models.file_names import classes_in
from archbench.models.library_names import LIBRARIES, library_names

Model = TypeVar("Model")


def expanded(models: Iterable[Model]) -> list[Model]:
    """Return the models, each pattern replaced by the addresses that it matches and that are not there yet.

    The order is that of the zoo, the library or the file.
    Raises AddressError, with the nearest name, for a pattern that matches none.
    """
    result: list[Any] = []
    for model in models:
        if isinstance(model, str) and is_pattern(model):
            result += [address for address in addresses(model) if address not in result]
        else:
            result.append(model)
    return result


def addresses(pattern: str) -> list[str]:
    """Return the addresses that match a pattern, each with the `@10` or `?width=64` at its end.

    Raises AddressError, with the nearest name, if there are none.
    """
    target = target_of(pattern)
    place, colon, name = target.rpartition(":")
    names = names_at(place)
    found = [each for each in names if matches(each, name)]
    if not found:
        raise AddressError(f"no model matches '{target}'{_hint(name, names, place)}")
    return [f"{place}{colon}{each}{pattern.removeprefix(target)}" for each in found]


def matches(name: str, pattern: str) -> bool:
    """Return whether a name matches a pattern, upper and lower case being the same."""
    return fnmatchcase(name.lower(), pattern.lower())


def names_at(place: str) -> Sequence[str]:
    """Return the names that can follow `place:` in an address; `""` is the zoo.

    Raises AddressError for a place whose names are not known without running it, or a library that is not installed.
    """
    if not place:
        return model_names()
    if place.endswith(".py") and not place.startswith("git:"):
        return classes_in(Path(place))
    if place not in LIBRARIES:
        raise AddressError(f"'{place}' has no list of models; patterns are for the zoo, {_places()} and a file.py")
    if not library_names(place):
        raise AddressError(f"{place} is not installed")
    return library_names(place)


def _hint(pattern: str, names: Sequence[str], place: str) -> str:
    """Return the hint for a pattern that matches no name at a place: another library, or the nearest name."""
    others = [] if place else [library for library in LIBRARIES if _has_match(library, pattern)]
    if others:
        return "; did you mean " + " or ".join(f"'{library}:{pattern}'" for library in others) + "?"
    near = nearest_choice(re.sub(r"[*!\[\]]", "", pattern), names, cutoff=0.4)
    return f"; the nearest name is '{place}{':' if place else ''}{near}'" if near else ""


def _has_match(library: str, pattern: str) -> bool:
    return any(matches(name, pattern) for name in library_names(library))


def _places() -> str:
    return ", ".join(f"{library}:" for library in LIBRARIES)
