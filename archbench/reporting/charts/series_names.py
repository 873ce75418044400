"""Measured results as series: what tells them apart is in their names, what they share is said once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archbench.reporting.tables.wording import several

if TYPE_CHECKING:
    from archbench.store.records import Configuration, Result

_FIELDS = ("device", "machine", "mode", "dtype", "layout", "input_shape", "execution", "threads")
# What belongs to something else: it tells series apart only where one such thing has several.
_WITHIN = {"machine": "device", "input_shape": "model"}


def newest(results: Sequence[Result]) -> list[Result]:
    """Return the first result of each configuration on each machine, of results that come the newest first."""
    found: dict[tuple[Configuration, str], Result] = {}
    for result in results:
        found.setdefault((result.configuration, result.machine), result)
    return list(found.values())


def names(results: Sequence[Result]) -> list[str]:
    """Return for each result its model, and whatever else differs among them, but for the batch."""
    fields = ("model", *(field for field in _FIELDS if _tells_apart(results, field)))
    return [_joined(result, fields) for result in results]


def shared(results: Sequence[Result]) -> str:
    """Return what all results have in common but their machine: `NVIDIA H200, eval, bf16, nhwc, 3x224x224, eager`."""
    fields = [field for field in _FIELDS if field != "machine" and len(_words(results, field)) == 1]
    return _joined(results[0], fields)


def _tells_apart(results: Sequence[Result], field: str) -> bool:
    """Say whether results differ in a field, and not only because what it belongs to differs."""
    owner = _WITHIN.get(field)
    if owner is None:
        return len(_words(results, field)) > 1
    owned = {(_word(result, owner), _word(result, field)) for result in results}
    return len(owned) > len(_words(results, owner))


def _words(results: Sequence[Result], field: str) -> set[str]:
    return {_word(result, field) for result in results}


def _joined(result: Result, fields: Sequence[str]) -> str:
    return ", ".join(filter(None, (_word(result, field) for field in fields)))


def _word(result: Result, field: str) -> str:
    """Return a field in a word, empty for threads where there are none to choose: on a GPU."""
    configuration = result.configuration
    if field == "machine":
        return result.machine
    if field == "execution":
        return _execution(configuration)
    if field == "threads":
        return several(configuration.threads, "thread") if configuration.threads else ""
    return str(getattr(configuration, field))


def _execution(configuration: Configuration) -> str:
    """Return how a model is run: `eager`, `compiled`, by replaying `CUDA graphs`, or both of these."""
    if configuration.graphs:
        return "compiled, CUDA graphs" if configuration.compiled else "CUDA graphs"
    return "compiled" if configuration.compiled else "eager"
