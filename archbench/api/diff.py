"""Two models layer by layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from archbench.analyze.diff import DifferenceRow, difference
from archbench.api.summary import Summary, known_totals, summarize
from archbench.errors import InputError
from archbench.models.loaded import Inputs, Model
from archbench.reporting.export.formats import Format
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.diff import difference_table
from archbench.trace.tracer import Mode

if TYPE_CHECKING:
    import pandas as pd

# A model, its summary, or the JSON file that a summary was saved to.
Side = Model | Summary | Path


@dataclass(frozen=True, repr=False)
class Diff(TableResult):
    """The layers of two models, aligned; differences are b's figure less a's.

    `rows` are all layers. Text and notebook leave out those that are the same in both, unless `shows_same`; frame,
    dict, CSV and JSON have every row.
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

    def to_dict(self) -> list[dict[str, Any]]:
        """Return what `--format json` writes: one dict per layer or pair of layers."""
        rows: list[dict[str, Any]] = super().to_dict() if self.shows_same else self._whole().to_dict()
        return rows

    def to_frame(self) -> pd.DataFrame:
        """Return all rows as a DataFrame, one column per field."""
        return super().to_frame() if self.shows_same else self._whole().to_frame()

    def render(self, format: Format, *, stream: IO[str] | None = None, width: int | None = None) -> str:
        """Return the result as text in a format; CSV and JSON have every row."""
        if format == "csv" and not self.shows_same:
            return self._whole().render(format)
        return super().render(format, stream=stream, width=width)

    def __repr__(self) -> str:
        changes = sum(row.change != "same" for row in self.rows)
        return f"<Diff of {self.a.model} and {self.b.model}: {changes} of {len(self.rows)} layers differ>"

    def _whole(self) -> Diff:
        return replace(self, shows_same=True)


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
        show_same: Also show layers that are the same in both.

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
