"""Two models layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archbench.analyze.diff import DifferenceRow, difference
from archbench.api.summary import Summary, known_totals, summarize
from archbench.errors import InputError
from archbench.models.loaded import Inputs, Model
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.diff import difference_table
from archbench.trace.tracer import Mode

# A model, its summary, or the JSON file that a summary was saved to.
Side = Model | Summary | Path


@dataclass(frozen=True, repr=False)
class Diff(TableResult):
    """The layers of two models, aligned; differences are b's figure less a's.

    `rows` are all layers. Text and notebook leave out those that are the same in both and have one row for all whose
    only change is the shape handed down, unless `shows_same`; frame, dict, CSV and JSON have every row.
    """

    a: Summary
    b: Summary
    rows: tuple[DifferenceRow, ...]
    shows_same: bool = False

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, as sentences."""
        return (*self.a.caveats, *self.b.caveats)

    def to_table(self) -> Table:
        """Return one row per layer or pair of layers, and what became of the totals."""
        return difference_table(
            self.rows,
            a=self.a.model,
            b=self.b.model,
            totals=(known_totals(self.a), known_totals(self.b)),
            shows_same=self.shows_same,
            caveats=self.caveats,
        )

    def __repr__(self) -> str:
        changes = sum(row.change != "same" for row in self.rows)
        return f"<Diff of {self.a.model} and {self.b.model}: {changes} of {len(self.rows)} layers differ>"


def diff(
    a: Side, b: Side, inputs: Inputs = None, *, batch: int = 1, mode: Mode = "eval", show_same: bool = False
) -> Diff:
    """Compare two models layer by layer: what was inserted, removed or changed, and what that costs.

    Args:
        a: A module, an address, a `Summary`, or the path of one saved as JSON (as text it ends in `.json`).
        b: The same for the second model.
        inputs: As in `archbench.summarize`, for both models; saved summaries have their own.
        batch: The number of samples; counts are for the whole batch.
        mode: `"train"` also compares the cost of the backward pass.
        show_same: Also show layers that are the same in both, and each whose only change is the shape handed down.

    Raises InputError for summaries that were counted with different batches or modes, or a file that is not a summary;
    AddressError and ForwardError as `archbench.summarize`.
    """
    first, second = (_summary(side, inputs, batch, mode) for side in (a, b))
    for what in ("batch", "mode"):
        values = getattr(first, what), getattr(second, what)
        if values[0] != values[1]:
            names = f"{_name(a, first)} and {_name(b, second)}"
            raise InputError(f"{names} were counted with {what} {values[0]} and {values[1]}; count both alike")
    return Diff(first, second, tuple(difference(first.rows, second.rows)), show_same)


def _name(side: Side, summary: Summary) -> str:
    return str(side) if isinstance(side, (str, Path)) else summary.model


def _summary(side: Side, inputs: Inputs, batch: int, mode: Mode) -> Summary:
    if isinstance(side, Summary):
        return side
    if not isinstance(side, Path) and not (isinstance(side, str) and side.endswith(".json")):
        return summarize(side, inputs, batch=batch, mode=mode)
    summary = Summary.from_json(side)
    totals = known_totals(summary)
    if any(totals.get(name) != sum(getattr(row, name) for row in summary.rows) for name in ("params", "macs")):
        raise InputError(f"'{side}' is not a summary with layers that sum to its totals; save the summary again")
    return summary
