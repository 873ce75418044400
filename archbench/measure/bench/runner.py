"""Measure one configuration after the other, keep each result as it comes, and leave out what is kept already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from archbench.errors import MeasurementError
from archbench.measure.bench.max_batch import Largest, largest_here
from archbench.measure.bench.session import measure_configuration
from archbench.measure.bench.sweep import AUTO, family, suffices
from archbench.measure.worker.request import Request
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
        self._kept = {planned[1]: result for planned in todo if (result := self._before(planned))}

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
        (request, configuration), doubts = self._with_batch(planned, watcher)
        same = found.get(configuration)
        if same is None and planned[1].batch == AUTO:
            same = self._before((request, configuration))
        if same is not None:
            return same
        siblings = [one for one in found.values() if family(one.configuration.model) == family(configuration.model)]
        result = measure_configuration(
            request, configuration, self._machine, watcher.say, siblings, phases=self._phases
        )
        result = replace(result, flags=(*doubts, *result.flags))
        self._store.add(result)
        return result

    def _with_batch(self, planned: Planned, watcher: Watcher) -> tuple[Planned, tuple[str, ...]]:
        """Return what is planned with the largest safe batch, if that is what was asked for, and what is doubtful.

        Where there is none, a single sample is what shows why.
        """
        request, configuration = planned
        if request.batch != AUTO:
            return planned, ()
        doubts: tuple[str, ...] = ()
        try:
            largest = largest_here(request, watcher.say)
        except MeasurementError as error:
            batch, doubts = 1, (f"batch: the largest was not found, as {error}",)
            said = doubts[0]
        else:
            batch, said = max(1, steady(largest.batch)), _in_words(largest, request.kind)
        configuration = replace(configuration, batch=batch)
        watcher.remark(f"{described(configuration)}: {said}")
        return (replace(request, batch=batch), configuration), doubts

    def _before(self, planned: Planned) -> Result | None:
        """Return the kept result of a configuration, if it is still true and has all that is asked for."""
        request, configuration = planned
        result = None if self._rerun else self._store.latest(configuration, self._machine)
        if result is None or not suffices(result, request):
            return None
        lacks = self._phases and configuration.mode == "train" and not result.phases_s
        return None if lacks else result


def steady(batch: int) -> int:
    """Return a batch with all but its five leading binary digits zero: at most a sixteenth less.

    How much memory is free differs a little from one time to another; what is then found should not.
    """
    dropped = max(0, batch.bit_length() - 5)
    return batch >> dropped << dropped


def _in_words(largest: Largest, kind: str) -> str:
    limit = format_bytes(largest.limit_bytes)
    if largest.batch == 0:
        return f"not even one sample is safe with {limit}"
    taken = f"{largest.batch:,} take {format_bytes(largest.needed_bytes)} of {limit}"
    how = f"the largest that is tried on a {kind}" if largest.is_capped else "the largest that is safe, rounded down"
    return f"{how} ({taken})"
