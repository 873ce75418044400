"""Measured results as series: what tells them apart is in their names, what they share is said once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archbench.store.records import Configuration, Result

_FIELDS = ("device", "mode", "dtype", "layout", "input_shape", "compiled", "graphs", "threads")


def newest(results: Sequence[Result]) -> list[Result]:
    """Return the first result of each configuration on each machine, of results that come the newest first."""
    found: dict[tuple[Configuration, str], Result] = {}
    for result in results:
        found.setdefault((result.configuration, result.machine), result)
    return list(found.values())


def names(results: Sequence[Result]) -> list[str]:
    """Return for each result its model, and whatever else differs among them, but for the batch."""
    varying = _varying(results)
    return [
        ", ".join((result.configuration.model, *(_word(result.configuration, field) for field in varying)))
        for result in results
    ]


def shared(results: Sequence[Result]) -> str:
    """Return what all results have in common: `NVIDIA H200, eval, bf16, nhwc`."""
    varying, first = _varying(results), results[0].configuration
    said = ("device", "mode", "dtype", "layout", "compiled")
    return ", ".join(_word(first, field) for field in said if field not in varying)


def _varying(results: Sequence[Result]) -> list[str]:
    """Return the fields in which results differ; sizes of inputs only where one model has several."""
    varying = [field for field in _FIELDS if len({getattr(result.configuration, field) for result in results}) > 1]
    inputs = {(result.configuration.model, result.configuration.input_shape) for result in results}
    if len(inputs) == len({model for model, _ in inputs}):
        varying = [field for field in varying if field != "input_shape"]
    return varying


def _word(configuration: Configuration, field: str) -> str:
    value = getattr(configuration, field)
    return {
        "compiled": "compiled" if value else "eager",
        "graphs": "CUDA graphs" if value else "no graphs",
        "threads": f"{value} threads",
    }.get(field, str(value))
