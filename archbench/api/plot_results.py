"""Charts of stored results: throughput and latency."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from archbench.errors import UsageError, nearest
from archbench.models.identity import resolved
from archbench.models.loaded import Model
from archbench.reporting.charts.latency import latency_chart
from archbench.reporting.charts.throughput import throughput_chart
from archbench.store.database import Store
from archbench.store.filters import result_filter
from archbench.store.records import Result

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size

_LOG = logging.getLogger("archbench")


def throughput(
    what: Sequence[Model | Path],
    *,
    store: str | Path | None = None,
    device: str | None = None,
    mode: str | None = None,
    dtype: str | None = None,
    **size: Unpack[Size],
) -> Chart:
    """Return images per second against the batch."""
    results = _stored(what, store, lambda result: bool(result.images_per_s), device=device, mode=mode, dtype=dtype)
    return throughput_chart(results, **size)


def latency(
    what: Sequence[Model | Path],
    *,
    store: str | Path | None = None,
    device: str | None = None,
    mode: str | None = None,
    dtype: str | None = None,
    batch: int | None = None,
    **size: Unpack[Size],
) -> Chart:
    """Return percentiles of the latency of a step."""
    wanted = {"device": device, "mode": mode, "dtype": dtype, "batch": batch}
    return latency_chart(_stored(what, store, lambda result: bool(result.latencies_s), **wanted), **size)


def _stored(
    what: Sequence[Model | Path], path: str | Path | None, is_usable: Callable[[Result], bool], **wanted: Any
) -> list[Result]:
    """Return the stored results of models, or of all, that match and have status `ok`.

    Raises UsageError if there are none, or if a model has none.
    """
    store = Store(path, for_reading=True)
    matching = _matching(store, wanted)
    named = {resolved(_address(model)): _address(model) for model in what}
    _require_results(matching, named, store.path)
    own = [_as_named(result, named) for result in matching if not named or result.configuration.model in named]
    usable = [result for result in own if result.status == "ok" and is_usable(result)]
    if not usable:
        raise UsageError(f"nothing to plot: none of {len(own)} results is ok; 'archbench results' says why")
    if len(usable) < len(own):
        _LOG.info("left out: %s of %s results, which are not ok", len(own) - len(usable), len(own))
    return usable


def _matching(store: Store, wanted: Mapping[str, Any]) -> list[Result]:
    if not store.exists():
        raise UsageError(f"nothing to plot: there is no store '{store.path}' yet; 'archbench bench MODEL' fills it")
    with store:
        return store.results(**result_filter(**wanted))


def _require_results(results: Sequence[Result], named: Mapping[str, str], path: Path) -> None:
    models = dict.fromkeys(result.configuration.model for result in results)
    missing = [address for model, address in named.items() if model not in models]
    if missing or not results:
        model = f"of {missing[0]} " if missing else ""
        hint = nearest(missing[0], models) if missing else ""
        raise UsageError(
            f"nothing to plot: no result {model}in '{path}' matches{hint}; 'archbench results' lists what there is"
        )


def _address(model: Model | Path) -> str:
    """Return a model's address. Raises UsageError for a module, which no result can be of."""
    if not isinstance(model, str):
        raise UsageError(f"results are stored by address; give one such as vgg16, not a {type(model).__name__}")
    return model


def _as_named(result: Result, named: Mapping[str, str]) -> Result:
    """Return a result under the address that the caller gave: a file's whole path is too long for a legend."""
    model = result.configuration.model
    return replace(result, configuration=replace(result.configuration, model=named.get(model, model)))
