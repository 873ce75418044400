"""The two questions asked of any model: what does each layer cost, and how do models compare?"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from archbench.analyze.compare import comparison_row
from archbench.analyze.layers import LayerRow, LayerTable, Totals, as_record, layer_table
from archbench.reporting.export.html import to_html
from archbench.reporting.table import Table
from archbench.reporting.tables.model import caveats, summary_table
from archbench.trace.tracer import Mode, trace

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Summary:
    """A model's layer table with its totals.

    `rows` are plain records, `layers` the same as a pandas DataFrame; shapes include the batch, counts are for the
    whole batch, neurons per sample. `uncounted` maps operators without a cost formula to their calls, `unread` names
    modules of which no parameter was used, and `real_data_reason` says why real arithmetic was done, if it was.
    """

    model: str
    inputs: tuple[tuple[int, ...], ...]
    dtype: str
    batch: int
    mode: Mode
    table: LayerTable
    real_data_reason: str | None

    @property
    def totals(self) -> Totals:
        """The model's sums."""
        return self.table.totals

    @property
    def rows(self) -> tuple[LayerRow, ...]:
        """One record a layer."""
        return self.table.rows

    @property
    def uncounted(self) -> dict[str, int]:
        """Operators without a cost formula, and how often each ran."""
        return self.table.uncounted

    @property
    def unread(self) -> tuple[str, ...]:
        """Modules of which no operator read a parameter."""
        return self.table.unread

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, in sentences."""
        return caveats(self.model, self.table, self.real_data_reason)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """The rows as a DataFrame, one column a field."""
        import pandas as pd

        return pd.DataFrame([as_record(row) for row in self.rows])

    def to_dict(self) -> dict[str, Any]:
        """Return what `--format json` writes: plain lists, dicts, numbers and strings."""
        return {
            "model": self.model,
            "inputs": [list(shape) for shape in self.inputs],
            "dtype": self.dtype,
            "batch": self.batch,
            "mode": self.mode,
            "totals": as_record(self.totals),
            "layers": [as_record(row) for row in self.rows],
            "uncounted": self.uncounted,
            "versions": versions(),
        }

    def _repr_html_(self) -> str:
        """Show the table in a notebook, with what was not counted."""
        return to_html(self.to_table())

    def to_table(self) -> Table:
        """Return the layer table as it is reported."""
        return summary_table(
            self.table, model=self.model, batch=self.batch, mode=self.mode, real_data_reason=self.real_data_reason
        )

    def __repr__(self) -> str:
        totals = self.totals
        return f"<Summary of {self.model}, {self.mode}, batch {self.batch}: {totals.params} params, {totals.macs} MACs>"


def summarize(model: nn.Module, inputs: Any, mode: Mode = "eval") -> Summary:
    """Return the layer table of `model` on `inputs`: a tensor, a tuple of positional or a dict of keyword tensors.

    The model is run once, on tensors of the same shapes without data; it is left exactly as it was. With mode `train`
    it runs as in training, and backward from the sum of its floating-point outputs; the gradients reach every
    parameter and input that requires one.
    Raises ForwardError if it does not run.
    """
    record = trace(model, inputs, mode=mode)
    return Summary(
        model=type(model).__name__,
        inputs=tuple(info.shape for info in record.inputs),
        dtype=_dtype(model, record.inputs),
        batch=record.batch,
        mode=mode,
        table=layer_table(record),
        real_data_reason=record.real_data_reason,
    )


def compare(models: Mapping[str, nn.Module], inputs: Any, mode: Mode = "eval") -> pd.DataFrame:
    """Return one row a model, in the order given; columns as `archbench compare --format csv` writes them."""
    import pandas as pd

    rows = []
    for name, model in models.items():
        summary = summarize(model, inputs, mode)
        shape = summary.inputs[0] if summary.inputs else ()
        rows.append(comparison_row(name, summary.totals, title=summary.model, year=None, input_shape=shape))
    return pd.DataFrame([as_record(row) for row in rows])


def versions() -> dict[str, str]:
    """Return the versions that the numbers depend on."""
    return {"archbench": version("archbench"), "torch": torch.__version__, "python": platform.python_version()}


def _dtype(model: nn.Module, inputs: tuple[Any, ...]) -> str:
    dtypes = [parameter.dtype for parameter in model.parameters()] or [info.dtype for info in inputs]
    return str(dtypes[0]).removeprefix("torch.") if dtypes else "none"
