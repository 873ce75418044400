"""The title of a report, and how its figures came about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from archbench.reporting.page.contents import ReportContents
from archbench.reporting.tables.wording import listed, several
from archbench.units import format_integer

_MOST_NAMED = 4


def page_title(names: Sequence[str]) -> str:
    """Return the models' names; for more than four their number, and the first and last name."""
    if len(names) > _MOST_NAMED:
        return f"{len(names)} models: {names[0]} to {names[-1]}"
    return listed(names)


def page_sentences(contents: ReportContents) -> Iterator[str]:
    """Yield sentences on how and where the figures were counted, measured and trained."""
    here = contents.environment
    yield (
        f"Counted from one run of each model on {_run_on(contents)}, one sample, in inference; by archbench"
        f" {here.get('tool')} and torch {here.get('torch')}, Python {here.get('python')}."
    )
    yield f"Made on {here.get('cpu_name')} with {here.get('cpu_cores')} logical cores; counts do not depend on it."
    if contents.results:
        devices = Counter(result.configuration.device for result in contents.results)
        cut = f"; these are {contents.newest_of}" if contents.newest_of else ""
        machines = (f"{device} ({several(count, 'result')})" for device, count in devices.items())
        yield f"Measured on {', '.join(machines)}{cut}."
    if contents.run is not None:
        images = contents.run.figures.record["data"]["images"]
        yield (
            f"Trained in the run {contents.run.name} on {contents.run.figures.data_label}:"
            f" {format_integer(images['train'])} training and {format_integer(images['test'])} test images."
        )
    if contents.device is not None:
        kind = "measured" if contents.device.is_measured else "published"
        yield f"Rooflines are of {contents.device.title}, {kind} ceilings."


def _run_on(contents: ReportContents) -> str:
    """Return the kind of data that the models were run on: a few need real data."""
    real = [model.address for model in contents.models if model.trace.real_data_reason]
    if not real:
        return "tensors without data"
    if len(real) == len(contents.models):
        return "real data"
    return f"tensors without data ({', '.join(real)}: on real data)"
