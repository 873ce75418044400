"""A sweep: the product of what was asked for, measured one after the other, each kept as it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path

from archbench.measure.worker.request import Request
from archbench.models.address import Source, find
from archbench.models.identity import resolved
from archbench.models.inputs import specs_of
from archbench.store.records import Configuration, Result
from archbench.units import format_dimensions

# A batch that is to be found: the largest that is safe.
AUTO = 0


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is to be measured, on one device: every combination of models, modes, batches, dtypes and layouts."""

    models: Sequence[str]
    inputs: Sequence[str]
    kind: str
    device: str
    modes: Sequence[str]
    batches: Sequence[int]
    dtypes: Sequence[str]
    layouts: Sequence[str]
    compiled: bool
    threads: int
    processes: int
    seconds: float
    graphs: bool = False

    def configurations(self) -> Iterator[tuple[Request, Configuration]]:
        """Yield each combination, as it is asked of a worker and as it is kept.

        Raises AddressError or InputError for a model that is not there or has no input, before anything is measured.
        """
        shapes = {model: input_shape(find(model), self.inputs) for model in self.models}
        for model, mode, dtype, layout, batch in product(
            self.models, self.modes, self.dtypes, self.layouts, self.batches
        ):
            request = Request(
                model=model,
                inputs=tuple(self.inputs),
                kind=self.kind,
                mode=mode,
                batch=batch,
                dtype=dtype,
                layout=layout,
                compiled=self.compiled,
                graphs=self.graphs,
                threads=self.threads,
                processes=self.processes,
                seconds=self.seconds / self.processes,
            )
            configuration = Configuration(
                model=resolved(model),
                input_shape=shapes[model],
                device=self.device,
                threads=self.threads if self.kind == "cpu" else 0,
                **request.settings(),
            )
            yield request, configuration


def input_shape(source: Source, inputs: Sequence[str]) -> str:
    """Return under which input a model's results are kept: as given, its usual one, or its own example.

    Raises InputError for a malformed input, or where there is none.
    """
    has_example = source.example_inputs is not None
    specs = specs_of(source.address, inputs, source.input_shape, has_example=has_example)
    if inputs:
        return ",".join(inputs)
    return format_dimensions(specs[0].shape) if specs else "example"


def is_current(result: Result) -> bool:
    """Say whether a kept result is still that of its model: no other torch or archbench, its file not written since."""
    import torch

    place = result.configuration.model.rpartition(":")[0]
    if place.endswith(".py") and ":" not in place:
        written = datetime.fromtimestamp(Path(place).stat().st_mtime, UTC).isoformat(timespec="seconds")
        if written >= result.started_at:
            return False
    now = {"torch": torch.__version__, "tool": version("archbench")}
    return all(result.environment.get(name, value) == value for name, value in now.items())


def suffices(result: Result, request: Request) -> bool:
    """Say whether a kept result is what measuring anew would give, so that it need not be done.

    What failed or was out of memory may be otherwise now. What was measured by fewer processes, or did not converge in
    less time than there is now, is no answer to what is asked.
    """
    if not is_current(result) or result.status in ("failed", "oom"):
        return False
    if len(result.samples_per_process) < request.processes:
        return False
    had_s = result.environment.get("max_seconds", 0.0)
    return result.status != "not_converged" or had_s >= request.seconds * request.processes


def family(model: str) -> str:
    """Return what models that differ in their size alone have in common: vgg11 and vgg16 are one family.

    A number in an address of another kind may mean anything: groups, or a version.
    """
    return re.sub(r"\d+", "#", model) if re.fullmatch(r"\w+", model) else model
