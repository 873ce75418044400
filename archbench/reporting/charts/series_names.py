"""Names of series of measured results: what differs among them, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archbench.reporting.tables.wording import several

if TYPE_CHECKING:
    from archbench.store.records import Configuration, Result

_FIELDS = ("device", "machine", "mode", "dtype", "layout", "input_shape", "execution", "threads")
# A field that depends on another distinguishes series only where one value of the other has several.
_DEPENDS_ON = {"machine": "device", "input_shape": "model"}


def newest(results: Sequence[Result]) -> list[Result]:
    """Return the newest result of each configuration on each machine, from results that come newest first."""
    kept: dict[tuple[Configuration, str], Result] = {}
    for result in results:
        kept.setdefault((result.configuration, result.machine), result)
    return list(kept.values())


def series_names(results: Sequence[Result]) -> list[str]:
    """Return for each result its model and the settings that differ among the results, except the batch."""
    fields = ("model", *(field for field in _FIELDS if _distinguishes(results, field)))
    return [_joined(result, fields) for result in results]


def shared_settings(results: Sequence[Result]) -> str:
    """Return what all results share, except the machine: `NVIDIA H200, eval, bf16, nhwc, 3x224x224, eager`."""
    fields = [field for field in _FIELDS if field != "machine" and len(_values(results, field)) == 1]
    return _joined(results[0], fields)


def _distinguishes(results: Sequence[Result], field: str) -> bool:
    """Return whether results differ in a field, and not only because the field that it depends on differs."""
    owner = _DEPENDS_ON.get(field)
    if owner is None:
        return len(_values(results, field)) > 1
    owned = {(_text(result, owner), _text(result, field)) for result in results}
    return len(owned) > len(_values(results, owner))


def _values(results: Sequence[Result], field: str) -> set[str]:
    return {_text(result, field) for result in results}


def _joined(result: Result, fields: Sequence[str]) -> str:
    return ", ".join(filter(None, (_text(result, field) for field in fields)))


def _text(result: Result, field: str) -> str:
    """Return the text of a field; empty for the threads of a GPU, which has none to choose."""
    configuration = result.configuration
    if field == "machine":
        return result.machine
    if field == "execution":
        return _execution(configuration)
    if field == "threads":
        return several(configuration.threads, "thread") if configuration.threads else ""
    return str(getattr(configuration, field))


def _execution(configuration: Configuration) -> str:
    """Return how a model is run: `eager`, `compiled`, `CUDA graphs`, or the last two together."""
    if configuration.graphs:
        return "compiled, CUDA graphs" if configuration.compiled else "CUDA graphs"
    return "compiled" if configuration.compiled else "eager"
