"""Measure one configuration after the other, keep each result as it comes, and leave out what is kept already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from archbench.errors import MeasurementError
from archbench.measure.capacity import largest_here
from archbench.measure.request import Request
from archbench.measure.session import measure_configuration
from archbench.measure.sweep import AUTO, family, is_current
from archbench.store.database import Store
from archbench.store.records import Configuration, Result, described
from archbench.units import format_bytes

Planned = tuple[Request, Configuration]


class Watcher(Protocol):
    """Someone who is told how far it is."""

    def begin(self, what: str) -> None:
        """Hear what is measured now."""

    def say(self, phase: str) -> None:
        """Hear what is done for it at the moment."""

    def remark(self, text: str) -> None:
        """Hear what is worth to be known beside the result."""

    def end(self, result: Result) -> None:
        """Hear what came of it, now or before."""


class Campaign:
    """What is to be measured on this machine, and where it is kept. `phases` also times those of training steps."""

    def __init__(
        self, todo: Sequence[Planned], store: Store, machine: str, *, rerun: bool = False, phases: bool = False
    ) -> None:
        self.todo = todo
        self._store = store
        self._machine = machine
        self._rerun = rerun
        self._phases = phases
        self._kept = {what: result for _, what in todo if (result := self._before(what))}

    @property
    def num_kept(self) -> int:
        """How many need not be measured again."""
        return len(self._kept)

    def run(self, watcher: Watcher) -> Iterator[Result]:
        """Yield a result for each configuration: kept ones, and those measured now, which are kept as they come."""
        found: dict[Configuration, Result] = {}
        for planned in self.todo:
            result = self._kept.get(planned[1]) or self._measured(planned, watcher, found)
            watcher.end(result)
            if result.configuration not in found:
                found[result.configuration] = result
                yield result

    def _measured(self, planned: Planned, watcher: Watcher, found: dict[Configuration, Result]) -> Result:
        watcher.begin(described(planned[1]))
        request, configuration = self._with_batch(planned, watcher)
        same = found.get(configuration) or (self._before(configuration) if planned[1].batch == AUTO else None)
        if same is not None:
            return same
        siblings = [one for one in found.values() if family(one.configuration.model) == family(configuration.model)]
        result = measure_configuration(
            request, configuration, self._machine, watcher.say, siblings, phases=self._phases
        )
        self._store.add(result)
        return result

    def _with_batch(self, planned: Planned, watcher: Watcher) -> Planned:
        """Return what is planned with the largest safe batch, if that is what was asked for.

        Where there is none, a single sample is what shows why.
        """
        request, configuration = planned
        if request.batch != AUTO:
            return planned
        try:
            largest = largest_here(request, watcher.say)
        except MeasurementError:
            return replace(request, batch=1), replace(configuration, batch=1)
        batch = max(1, largest.batch)
        configuration = replace(configuration, batch=batch)
        taken, limit = format_bytes(largest.needed_bytes), format_bytes(largest.limit_bytes)
        how = f"the largest that is tried on a {request.kind}" if largest.is_capped else "the largest that is safe"
        watcher.remark(f"{described(configuration)}: {how} ({taken} of {limit})")
        return replace(request, batch=batch), configuration

    def _before(self, configuration: Configuration) -> Result | None:
        """Return the kept result of a configuration, if it is still true and has all that is asked for."""
        result = None if self._rerun else self._store.latest(configuration, self._machine)
        if result is None or not is_current(result):
            return None
        lacks = self._phases and configuration.mode == "train" and result.status != "oom" and not result.phases_s
        return None if lacks else result
