"""What a report says of each model: its layer table with the workings, its drawing, its charts, what is known of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archbench.analyze.diagram.blocks import block_tree
from archbench.analyze.diagram.volumes import volume_chain
from archbench.analyze.explain.explain import Explanation
from archbench.analyze.layers import LayerRow, LayerTable
from archbench.reporting.drawings.blocks import blocks_svg
from archbench.reporting.drawings.volumes import volumes_svg
from archbench.reporting.page.charts import model_charts
from archbench.reporting.page.contents import Material, Subject
from archbench.reporting.page.payload import Data
from archbench.reporting.page.workings import workings
from archbench.reporting.table import Table
from archbench.reporting.tables.explain import gap_sentence
from archbench.reporting.tables.model import caveats, summary_table
from archbench.units import format_bytes, format_count, format_dimensions, format_integer

if TYPE_CHECKING:
    from archbench.reporting.page.training import Picture

_BARS = ("params", "macs", "output_bytes")
# Of the layer table's details, what the page has room for.
_ALSO_SHOWN = frozenset({"param_bytes", "output_bytes"})


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure with its name, and the same with all digits where that is another text."""

    name: str
    text: str
    exact: str = ""


@dataclass(frozen=True, slots=True)
class Hint:
    """What is missing, and the command that makes it."""

    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Section:
    """One model's part of the page; views and charts are by their names in the page's data, None where there is none.

    `drawing` is SVG whose ids are of this section alone.
    """

    id: str
    address: str
    title: str
    facts: Sequence[Fact]
    paragraphs: Sequence[str]
    drawing: str
    charts: Sequence[str]
    layers: str | None
    measured: str | None
    training: str | None
    claims: str | None
    pictures: Sequence[Picture]
    hints: Sequence[Hint]


def anchors(subjects: Sequence[Subject]) -> dict[str, str]:
    """Return for each model the id of its section: its address as far as an id may hold it, and never one twice."""
    found: dict[str, str] = {}
    for subject in subjects:
        plain = "model-" + (re.sub(r"[^A-Za-z0-9]+", "-", subject.address).strip("-") or "unnamed")
        numbered = (f"{plain}--{number}" for number in range(2, len(subjects) + 2))
        found[subject.address] = next(name for name in (plain, *numbered) if name not in found.values())
    return found


def add_model(data: Data, subject: Subject, id: str, explanation: Explanation, material: Material) -> Section:
    """Keep what the page shows of one model, and return where it lies. The tables of all models are kept before."""
    address, table = subject.address, explanation.table
    data.add_table(
        id,
        _layers(summary_table(table, model=address, batch=1, mode="eval")),
        bars=_BARS,
        hidden=_uninformative(table.rows),
        more={"workings": workings(explanation.layers)},
    )
    results = [i for i, result in enumerate(material.results) if result.configuration.model == subject.kept_as]
    among = f" among {material.newest_of}" if material.newest_of else ""
    trained = (
        [i for i, row in enumerate(material.run.figures.accuracies) if row.model == address] if material.run else []
    )
    claims = [i for i, claim in enumerate(material.claims) if address in _models(claim.model)]
    found = Section(
        id=id,
        address=address,
        title=f"{subject.card.title}, {subject.card.year}" if subject.card else "",
        facts=_facts(subject, table),
        paragraphs=[*_about(subject), *_remarks(subject, explanation)],
        drawing=_drawing(subject, table, id),
        charts=[data.add_chart(chart) for chart in model_charts(subject, table, material.device)],
        layers=data.add_view(f"{id}-layers", id, f"Layers of {address}"),
        measured=data.add_view(f"{id}-measured", "measured", f"Measurements of {address}{among}", results),
        training=data.add_view(f"{id}-training", "training", f"Training of {address}", trained),
        claims=data.add_view(f"{id}-claims", "claims", f"Published figures of {address}", claims),
        pictures=[picture for picture in material.run.pictures if picture.model == address] if material.run else [],
        hints=[],
    )
    return replace(found, hints=list(_hints(found, subject, material.input_options)))


def _layers(table: Table) -> Table:
    shown = (replace(column, priority=20) if column.field in _ALSO_SHOWN else column for column in table.columns)
    return replace(table, columns=tuple(shown))


def _uninformative(rows: Sequence[LayerRow]) -> Iterator[str]:
    """Yield the columns in which every row says what goes without saying."""
    if all(row.calls == 1 for row in rows):
        yield "calls"
    if all(row.groups in (None, 1) for row in rows):
        yield "groups"


def _models(claim: str) -> set[str]:
    """Return the models that a claim is about, with and without their number of classes."""
    names = re.split(r"[/-]", claim)
    return {claim, *names, *(name.partition("@")[0] for name in (claim, *names))}


def _facts(subject: Subject, table: LayerTable) -> list[Fact]:
    totals = table.totals
    counts = {"parameters": totals.params, "MACs": totals.macs, "FLOPs": totals.flops, "neurons": totals.neurons}
    shapes = ", ".join(format_dimensions(info.shape[1:]) for info in subject.trace.inputs)
    sizes = {"weights": totals.param_bytes, "peak memory": totals.peak_inference_bytes or 0}
    return [
        Fact("input", shapes),
        Fact("weight layers", format_integer(totals.weight_layers)),
        *(Fact(name, format_count(count), format_integer(count)) for name, count in counts.items()),
        *(Fact(name, format_bytes(size), f"{format_integer(size)} bytes") for name, size in sizes.items()),
    ]


def _about(subject: Subject) -> Iterator[str]:
    card = subject.card
    if card is None:
        return
    yield card.paper
    if card.differences:
        yield f"Differences: {card.differences}"
    if subject.reported_error is not None:
        protocol = f" on {card.reported_protocol}" if card.reported_protocol else ""
        yield f"Reported top-5 error: {subject.reported_error}%{protocol}."


def _remarks(subject: Subject, explanation: Explanation) -> Iterable[str]:
    gap = [gap_sentence(explanation.gap)] if explanation.gap else []
    return [*gap, *caveats(subject.address, explanation.table, subject.trace.real_data_reason)]


def _drawing(subject: Subject, table: LayerTable, id: str) -> str:
    """Return the picture that `archbench draw` makes, its ids made the section's own."""
    chain = volume_chain(table.rows, subject.trace)
    if chain is not None:
        svg = volumes_svg(chain, subject.address, table.totals)
    else:
        shapes = [info.shape[1:] for info in subject.trace.inputs]
        svg = blocks_svg(block_tree(table.rows, subject.trace.layers), subject.address, shapes)
    head, mark, rest = svg.partition("</defs>")
    head = re.sub(r'id="(\w+)"', rf'id="{id}-\1"', head)
    head = head.replace('labelledby="title description"', f'labelledby="{id}-title {id}-description"')
    return head + mark + rest.replace('marker-end="url(#head)"', f'marker-end="url(#{id}-head)"')


def _hints(section: Section, subject: Subject, input_options: str) -> Iterator[Hint]:
    model = shlex.quote(section.address)
    same = f"{model}{input_options}"
    if subject.roofline is None:
        yield Hint("No roofline, for no device is named:", f"archbench report {same} --device NAME")
    if section.measured is None:
        yield Hint("Not measured yet:", f"archbench bench {same}")
    if section.training is None:
        yield Hint("Not trained here:", f"archbench train {model} --out DIR; archbench report {same} --run DIR")
    if section.claims is None:
        yield Hint("No published figure of it is known here:", f"archbench verify {model} --claims PATH")
