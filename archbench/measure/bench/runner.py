"""Measure a sweep: one configuration after the other, each result stored at once, stored ones not measured again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from archbench.errors import MeasurementError
from archbench.measure.bench.max_batch import describe_largest, largest_batch_here, rounded_batch
from archbench.measure.bench.session import measure_configuration
from archbench.measure.bench.sweep import AUTO, family, suffices
from archbench.measure.worker.request import RunOptions
from archbench.progress import Progress
from archbench.store.database import Store
from archbench.store.records import Configuration, Result, described


class Runner:
    """Measures configurations on this machine and keeps their results in a store; `rerun` ignores stored results."""

    def __init__(
        self,
        configurations: Sequence[Configuration],
        options: RunOptions,
        store: Store,
        machine: str,
        *,
        rerun: bool = False,
    ) -> None:
        self.configurations = configurations
        self._options = options
        self._store = store
        self._machine = machine
        self._rerun = rerun
        self._stored = {each: result for each in configurations if (result := self._find_stored(each))}

    @property
    def num_stored(self) -> int:
        """The number of configurations that need not be measured."""
        return len(self._stored)

    def run(self, progress: Progress) -> Iterator[Result]:
        """Yield one result per configuration, stored or measured now; each is in the store before the next begins."""
        results: dict[Configuration, Result] = {}
        progress.start(len(self.configurations), self.num_stored)
        for configuration in self.configurations:
            result = self._stored.get(configuration) or self._measure(configuration, progress, results)
            progress.end(result)
            if result.configuration not in results:
                results[result.configuration] = result
                yield result

    def _measure(
        self, configuration: Configuration, progress: Progress, results: dict[Configuration, Result]
    ) -> Result:
        progress.begin(described(configuration))
        flags: tuple[str, ...] = ()
        if configuration.batch == AUTO:
            configuration, flags = self._with_largest_batch(configuration, progress)
            known = results.get(configuration) or self._find_stored(configuration)
        else:
            known = results.get(configuration)
        if known is not None:
            return known
        result = measure_configuration(
            configuration, self._options, self._machine, progress.update, _siblings(configuration, results)
        )
        result = replace(result, flags=(*flags, *result.flags))
        self._store.add(result)
        return result

    def _with_largest_batch(
        self, configuration: Configuration, progress: Progress
    ) -> tuple[Configuration, tuple[str, ...]]:
        """Return the configuration with the largest safe batch, and flags.

        If the search fails, the batch is 1: measuring it shows why.
        """
        flags: tuple[str, ...] = ()
        try:
            largest = largest_batch_here(configuration, progress.update)
        except MeasurementError as error:
            batch, flags = 1, (f"batch: the largest was not found, as {error}",)
            note = flags[0]
        else:
            batch, note = max(1, rounded_batch(largest.batch)), describe_largest(largest, configuration.kind)
        configuration = replace(configuration, batch=batch)
        progress.note(f"{described(configuration)}: {note}")
        return configuration, flags

    def _find_stored(self, configuration: Configuration) -> Result | None:
        """Return the stored result of a configuration if it makes a new measurement unnecessary."""
        result = None if self._rerun else self._store.latest(configuration, self._machine)
        return result if result is not None and suffices(result, self._options) else None


def _siblings(configuration: Configuration, results: dict[Configuration, Result]) -> list[Result]:
    """Return the results of models of the same family."""
    own = family(configuration.model)
    return [result for known, result in results.items() if family(known.model) == own]
