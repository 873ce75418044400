"""A model's section of a report: its layer table with derivations, its drawing, its charts, and further tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archbench.analyze.explain.explain import TraceExplanation
from archbench.analyze.layers import LayerRow, LayerTable
from archbench.reporting.page.charts import model_charts
from archbench.reporting.page.contents import ReportContents, ReportModel
from archbench.reporting.page.drawings import add_drawing
from archbench.reporting.page.payload import PageData
from archbench.reporting.page.repeated_rows import folded_lines
from archbench.reporting.page.workings import workings
from archbench.reporting.table import Table
from archbench.reporting.tables.explain import gap_sentence
from archbench.reporting.tables.model_caveats import caveats
from archbench.reporting.tables.summary import summary_table
from archbench.units import format_bytes, format_count, format_dimensions, format_integer

if TYPE_CHECKING:
    from archbench.reporting.page.training import RunPicture

_BARS = ("params", "macs", "output_bytes")
# Columns of the layer table that a terminal hides and a page has room for.
_ALSO_SHOWN = frozenset({"output_bytes"})


@dataclass(frozen=True, slots=True)
class Fact:
    """A named figure; `exact` has all digits where `text` does not."""

    name: str
    text: str
    exact: str = ""


@dataclass(frozen=True, slots=True)
class Hint:
    """A sentence on missing data, and the command that produces it."""

    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Section:
    """A model's section; views and charts are names in the page's data, None where there is none.

    `drawing` is SVG whose ids are unique to this section.
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
    pictures: Sequence[RunPicture]
    hints: Sequence[Hint]


def anchors(models: Sequence[ReportModel]) -> dict[str, str]:
    """Return a unique id for each model's section: its address without the characters that an id cannot have."""
    ids: dict[str, str] = {}
    for model in models:
        plain = "model-" + (re.sub(r"[^A-Za-z0-9]+", "-", model.address).strip("-") or "unnamed")
        numbered = (f"{plain}--{number}" for number in range(2, len(models) + 2))
        ids[model.address] = next(name for name in (plain, *numbered) if name not in ids.values())
    return ids


def add_model(
    data: PageData, model: ReportModel, id: str, explanation: TraceExplanation, contents: ReportContents
) -> Section:
    """Add a model's tables, views and charts to the data, and return its section; shared tables are added before."""
    address, table = model.address, explanation.table
    layers = _layers(summary_table(table, model=address, batch=1, mode="eval"))
    folded = folded_lines(table, layers)
    data.add_table(
        id,
        layers,
        bars=_BARS,
        hidden=_uninformative(table.rows),
        more={"workings": workings(explanation.layers), **({"folded": folded} if folded else {})},
    )
    results = [i for i, result in enumerate(contents.results) if result.configuration.model == model.stored_name]
    among = f" among {contents.newest_of}" if contents.newest_of else ""
    trained = (
        [i for i, row in enumerate(contents.run.figures.accuracies) if row.model == address] if contents.run else []
    )
    claims = [i for i, claim in enumerate(contents.claims) if address in _models(claim.model)]
    section = Section(
        id=id,
        address=address,
        title=f"{model.card.title}, {model.card.year}" if model.card else "",
        facts=_facts(model, table),
        paragraphs=[*_about(model), *_remarks(model, explanation)],
        drawing=add_drawing(data, model, table, id),
        charts=[data.add_chart(chart) for chart in model_charts(model, table, contents.device)],
        layers=data.add_view(f"{id}-layers", id, f"Layers of {address}"),
        measured=data.add_view(f"{id}-measured", "measured", f"Measurements of {address}{among}", results),
        training=data.add_view(f"{id}-training", "training", f"Training of {address}", trained),
        claims=data.add_view(f"{id}-claims", "claims", f"Published figures of {address}", claims),
        pictures=[picture for picture in contents.run.pictures if picture.model == address] if contents.run else [],
        hints=[],
    )
    return replace(section, hints=list(_hints(section, model, contents.input_options)))


def _layers(table: Table) -> Table:
    shown = (replace(column, priority=20) if column.field in _ALSO_SHOWN else column for column in table.columns)
    return replace(table, columns=tuple(shown))


def _uninformative(rows: Sequence[LayerRow]) -> Iterator[str]:
    """Yield the columns that have the same trivial value in every row."""
    if all(row.calls == 1 for row in rows):
        yield "calls"
    if all(row.groups in (None, 1) for row in rows):
        yield "groups"


def _models(claim: str) -> set[str]:
    """Return the models of a claim, with and without their number of classes."""
    names = re.split(r"[/-]", claim)
    return {claim, *names, *(name.partition("@")[0] for name in (claim, *names))}


def _facts(model: ReportModel, table: LayerTable) -> list[Fact]:
    totals = table.totals
    counts = {"parameters": totals.params, "MACs": totals.macs, "FLOPs": totals.flops, "neurons": totals.neurons}
    shapes = ", ".join(format_dimensions(info.shape[1:]) for info in model.trace.inputs)
    sizes = {"weights": totals.param_bytes, "peak memory": totals.peak_inference_bytes or 0}
    return [
        Fact("input", shapes),
        Fact("weight layers", format_integer(totals.weight_layers)),
        *(Fact(name, format_count(count), format_integer(count)) for name, count in counts.items()),
        *(Fact(name, format_bytes(size), f"{format_integer(size)} bytes") for name, size in sizes.items()),
    ]


def _about(model: ReportModel) -> Iterator[str]:
    card = model.card
    if card is None:
        return
    yield card.paper
    if card.differences:
        yield f"Differences: {card.differences}"
    if model.reported_error is not None:
        protocol = f" on {card.reported_protocol}" if card.reported_protocol else ""
        yield f"Reported top-5 error: {model.reported_error}%{protocol}."


def _remarks(model: ReportModel, explanation: TraceExplanation) -> Iterable[str]:
    gap = [gap_sentence(explanation.gap)] if explanation.gap else []
    return [*gap, *caveats(model.address, explanation.table, model.trace.real_data_reason)]


def _hints(section: Section, model: ReportModel, input_options: str) -> Iterator[Hint]:
    if not model.stored_name:  # commands need an address
        return
    address = shlex.quote(section.address)
    same = f"{address}{input_options}"
    if model.roofline is None:
        yield Hint("No roofline, for no device is named:", f"archbench report {same} --device NAME")
    if section.measured is None:
        yield Hint("Not measured yet:", f"archbench bench {same}")
    if section.training is None:
        yield Hint("Not trained here:", f"archbench train {address} --out DIR; archbench report {same} --run DIR")
    if section.claims is None:
        yield Hint("No published figure of it is known here:", f"archbench verify {address} --claims PATH")
