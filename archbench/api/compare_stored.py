"""What is stored about the models of a comparison: measured, trained and published figures."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archbench.models.address import Source
from archbench.models.identity import resolved
from archbench.models.loaded import Inputs, LoadedModel, input_texts
from archbench.trace.tracer import Mode

if TYPE_CHECKING:
    from archbench.api.summary import Summary
    from archbench.store.published_figures import ModelFigures
    from archbench.store.records import Result
    from archbench.store.trainings import TrainingResult

_LOG = logging.getLogger("archbench")


def fastest_measured(
    models: Sequence[LoadedModel], inputs: Inputs, mode: Mode, path: str | Path | None
) -> dict[str, Result]:
    """Return the fastest result of each model measured on this machine on the same input, if it is not out of date."""
    from archbench.host.machine import machine
    from archbench.measure.bench.sweep import input_shape, is_current
    from archbench.store.database import Store

    store = Store(path, for_reading=True)
    if not store.exists():
        _LOG.info("nothing was measured yet; 'archbench bench' measures")
        return {}
    fastest = {}
    with store:
        for name, source in _sources(models).items():
            shape = input_shape(source, input_texts(inputs))
            address = resolved(source.address)
            wanted = {"machine": machine(), "mode": mode, "input_shape": shape, "status": "ok"}
            results = store.fastest(model=address, **wanted)
            current = [result for result in results if is_current(result)]
            if current:
                fastest[name] = current[0]
            elif results:
                _LOG.info(
                    "%s, or what runs it, has changed since it was measured; 'archbench bench' does it again", name
                )
            else:
                _LOG.info("%s: %s", name, _why_unused(store.results(model=address), wanted))
    return fastest


def _why_unused(results: Sequence[Result], wanted: Mapping[str, str]) -> str:
    """Return why none of a model's results is shown: which there are, by the first property that is not as wanted."""
    if not results:
        return "not measured; 'archbench bench' measures it"
    reasons = Counter(_mismatch(result, wanted) for result in results)
    listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f"no measured rate for mode {wanted['mode']}, input {wanted['input_shape']}; the store has {listed}"


def _mismatch(result: Result, wanted: Mapping[str, str]) -> str:
    configuration = result.configuration
    if result.machine != wanted["machine"]:
        return "on other machines"
    if configuration.mode != wanted["mode"]:
        return f"in mode {configuration.mode}"
    if configuration.input_shape != wanted["input_shape"]:
        return f"on input {configuration.input_shape}"
    return result.status


def newest_trained(models: Sequence[LoadedModel], path: str | Path | None) -> dict[str, TrainingResult]:
    """Return the result of each model in the newest run that has it, on whatever data it was trained."""
    from archbench.store.database import Store

    store = Store(path, for_reading=True)
    if not store.exists():
        _LOG.info("nothing was trained yet; 'archbench train' trains")
        return {}
    with store:
        results = {
            name: store.trainings(resolved(source.address), limit=1) for name, source in _sources(models).items()
        }
    for name in (name for name, newest in results.items() if not newest):
        _LOG.info("%s was not trained; 'archbench train' trains it", name)
    return {name: newest[0] for name, newest in results.items() if newest}


def published_figures(
    models: Sequence[LoadedModel],
    summaries: Sequence[Summary],
    device: str | None,
    source: str | None,
    path: str | Path | None,
) -> dict[str, ModelFigures]:
    """Return the published figures of each model that has any."""
    from archbench.api.published_figures import figures_by_model

    return figures_by_model(_sources(models), summaries, device=device, source=source, store=path)


def _sources(models: Sequence[LoadedModel]) -> dict[str, Source]:
    """Return where each model came from, of those that an address led to: results are stored by address."""
    return {model.name: model.source for model in models if model.source is not None}
