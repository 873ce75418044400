"""How a report begins: what was compared, and on what machines, in figures and sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from archbench.analyze.explain.explain import Explanation
from archbench.reporting.page.contents import Material
from archbench.reporting.page.models import Fact
from archbench.reporting.tables.wording import several
from archbench.units import format_count, format_integer

_MOST_NAMED = 4


def page_title(material: Material) -> str:
    """Return the models' names, or how many there are where they are many."""
    names = [subject.address for subject in material.subjects]
    if len(names) > _MOST_NAMED:
        return f"{len(names)} models: {names[0]} to {names[-1]}"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def page_facts(material: Material, explanations: Sequence[Explanation]) -> Iterator[Fact]:
    """Yield the figures that the page begins with."""
    totals = [explanation.table.totals for explanation in explanations]
    yield Fact("models", format_integer(len(totals)))
    yield Fact("layers", format_integer(sum(len(explanation.layers) for explanation in explanations)))
    yield _range("parameters", [total.params for total in totals], format_count)
    yield _range("MACs of one sample", [total.macs for total in totals], format_count)
    if material.results:
        yield Fact("measurements", format_integer(len(material.results) + material.num_older_results))
    if material.run is not None:
        yield Fact("models trained", format_integer(len(material.run.figures.accuracies)))
    if material.claims:
        contradicted = sum(claim.verdict == "contradicts" for claim in material.claims)
        yield Fact("published figures", format_integer(len(material.claims)))
        yield Fact("contradicted", format_integer(contradicted))


def _range(name: str, values: Sequence[int], text: Callable[[float], str]) -> Fact:
    ends = sorted({min(values), max(values)})
    return Fact(name, " to ".join(map(text, ends)), " to ".join(map(format_integer, ends)))


def page_sentences(material: Material) -> Iterator[str]:
    """Yield on what everything was counted, measured and trained."""
    here = material.environment
    yield (
        f"Counted from one run of each model on {_run_on(material)}, one sample, in inference; by archbench"
        f" {here.get('tool')} and torch {here.get('torch')}, Python {here.get('python')}."
    )
    yield f"Made on {here.get('cpu_name')} with {here.get('cpu_cores')} logical cores; counts do not depend on it."
    if material.results:
        devices = Counter(result.configuration.device for result in material.results)
        cut = f"; these are {material.newest_of}" if material.newest_of else ""
        machines = (f"{device} ({several(count, 'result')})" for device, count in devices.items())
        yield f"Measured on {', '.join(machines)}{cut}."
    if material.run is not None:
        images = material.run.figures.record["data"]["images"]
        yield (
            f"Trained in the run {material.run.name} on {material.run.figures.data_said}:"
            f" {format_integer(images['train'])} training and {format_integer(images['test'])} test images."
        )
    if material.device is not None:
        kind = "measured" if material.device.is_measured else "published"
        yield f"Rooflines are of {material.device.title}, {kind} ceilings."


def _run_on(material: Material) -> str:
    """Say on what the models were run; some need real data to run at all."""
    real = [subject.address for subject in material.subjects if subject.trace.real_data_reason]
    if not real:
        return "tensors without data"
    if len(real) == len(material.subjects):
        return "real data"
    return f"tensors without data ({', '.join(real)}: on real data)"
