"""What each layer of a model costs."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from archbench.analyze.depth import to_depth
from archbench.analyze.layers import LayerRow, LayerTable, Totals, as_record, layer_table
from archbench.api.saved_summary import read_fields
from archbench.models.loaded import Inputs, LoadedModel, Model, load_model
from archbench.reporting.arrangement import Arrangement, column_names
from archbench.reporting.result import TableResult, View
from archbench.reporting.table import Table
from archbench.reporting.tables.model_caveats import caveats
from archbench.reporting.tables.summary import summary_table
from archbench.trace.attention import Attention
from archbench.trace.tracer import Mode

if TYPE_CHECKING:
    import pandas as pd

    from archbench.models.card import Card
    from archbench.trace.records import Trace


@dataclass(frozen=True, repr=False)
class Summary(TableResult):
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
    card: Card | None = None

    @classmethod
    def from_json(cls, path: str | Path) -> Summary:
        """Return a summary that was saved as JSON, by this version or an earlier one.

        A total that the file lacks is None. Layers that it lacks, or that are malformed, are not among the rows.
        Raises InputError if the file cannot be read or is not a summary.
        """
        return cls(**read_fields(Path(path)))

    @property
    def totals(self) -> Totals:
        """The sums over all rows."""
        return self.table.totals

    @property
    def rows(self) -> tuple[LayerRow, ...]:
        """One record per layer."""
        return self.table.rows

    @property
    def uncounted(self) -> dict[str, int]:
        """Operators without a cost formula, with their number of calls."""
        return self.table.uncounted

    @property
    def unread(self) -> tuple[str, ...]:
        """Modules of which no operator read a parameter."""
        return self.table.unread

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, as sentences."""
        return caveats(self.model, self.table, self.real_data_reason)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """The rows as a DataFrame, one column per field."""
        import pandas as pd

        return pd.DataFrame([as_record(row) for row in self.rows])

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame, one column per field."""
        return self.layers

    def to_dict(self) -> dict[str, Any]:
        """Return what `--format json` writes: plain lists, dicts, numbers and strings."""
        return {
            "schema_version": 1,
            "model": self.model,
            "inputs": [list(shape) for shape in self.inputs],
            "dtype": self.dtype,
            "batch": self.batch,
            "mode": self.mode,
            "totals": known_totals(self),
            "layers": [as_record(row) for row in self.rows],
            "uncounted": self.uncounted,
            "caveats": list(self.caveats),
            "versions": versions(),
        }

    def to_table(self) -> Table:
        """Return the layer table as it is reported."""
        return self._reported(self.table)

    def view(
        self,
        *,
        depth: int | None = None,
        top: int | None = None,
        sort: str | None = None,
        columns: str | Sequence[str] | None = None,
        percent: bool = False,
    ) -> TableResult:
        """Return the same result with its table arranged otherwise.

        Args:
            depth: Fold the rows below this depth into their module; 0 is the whole model. Rows still sum to totals.
            top: The number of rows with the largest values of `sort`, by default of MACs; the total stays that of all.
            sort: The column to sort by: numbers from the largest, text from A to Z.
            columns: The columns to keep, as `"params,macs"` or a list; the name is always the first.
            percent: Add `params_percent` and `macs_percent`, each row's share of the total.

        Raises UsageError for a column that the table does not have, or a depth or number that is not one.
        """
        arrangement = Arrangement(top, sort, column_names(columns), percent)
        table = self.table if depth is None else to_depth(self.table, depth)
        return View(self, arrangement.apply(self._reported(table)))

    def _reported(self, table: LayerTable) -> Table:
        return summary_table(
            table, model=self.model, batch=self.batch, mode=self.mode, real_data_reason=self.real_data_reason
        )

    def __repr__(self) -> str:
        totals = self.totals
        return f"<Summary of {self.model}, {self.mode}, batch {self.batch}: {totals.params} params, {totals.macs} MACs>"


def summarize(
    model: Model, inputs: Inputs = None, *, batch: int = 1, mode: Mode = "eval", attention: Attention = "auto"
) -> Summary:
    """Return the layer table of a model.

    Args:
        model: A module, or an address such as `"vgg16"`, `"torchvision:resnet50"` or `"net.py:Net"`.
        inputs: A tensor, a tuple of positional or a dict of keyword tensors, of which only shapes and dtypes count,
            and the values of integers and booleans, such as masks and lengths;
            or the shape of one sample as text (`"3x224x224"`, `"128:int64"`), a list of those for several inputs.
            By default the model's usual input.
        batch: The number of samples if `inputs` are not tensors.
        mode: `"train"` also runs backward, from the sum of the floating-point outputs; gradients reach every
            parameter and input that requires one.
        attention: `"fused"` or `"math"`: scaled dot-product attention always as one kernel, or as separate products;
            by default as torch runs it on an NVIDIA GPU in the dtype of the tensors.

    The model is run once, on tensors without data, and is left exactly as it was. One that reads computed values is run
    on data: its own, or random values (seed 0) for what has none.
    Raises AddressError, InputError, ForwardError if the model does not run on the inputs, or DeviceError if weights are
    needed that do not fit in memory.
    """
    return summary_of(load_model(model, inputs, attention=attention), batch, mode)


def summary_of(loaded: LoadedModel, batch: int, mode: Mode) -> Summary:
    """Return the summary of a model that is loaded, under its name."""
    return summary_from_trace(loaded, loaded.trace(batch, mode))


def summary_from_trace(loaded: LoadedModel, record: Trace) -> Summary:
    """Return the summary of a model that is traced already."""
    return Summary(
        model=loaded.name,
        inputs=tuple(info.shape for info in record.inputs),
        dtype=_dtype(loaded.model, record.inputs),
        batch=record.batch,
        mode="train" if record.mode == "train" else "eval",
        table=layer_table(record),
        real_data_reason=record.real_data_reason,
        card=loaded.card,
    )


def known_totals(summary: Summary) -> dict[str, int]:
    """Return a summary's totals by name, without those that its file lacked."""
    return {name: value for name, value in as_record(summary.totals).items() if value is not None}


def versions() -> dict[str, str]:
    """Return the versions that the numbers depend on."""
    return {"archbench": version("archbench"), "torch": torch.__version__, "python": platform.python_version()}


def _dtype(model: nn.Module, inputs: tuple[Any, ...]) -> str:
    dtypes = [parameter.dtype for parameter in model.parameters()] or [info.dtype for info in inputs]
    return str(dtypes[0]).removeprefix("torch.") if dtypes else "none"
