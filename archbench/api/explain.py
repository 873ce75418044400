"""The figures of a model's layers, derived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, ClassVar

from archbench.analyze.explain.explain import LayerExplanation, TraceExplanation
from archbench.analyze.explain.explain import explain as explain_trace
from archbench.analyze.explain.repeated import with_repeats_once
from archbench.errors import UsageError, nearest
from archbench.models.loaded import Inputs, Model, load_model
from archbench.reporting.export.formats import Format
from archbench.reporting.export.latex import to_equations, to_latex
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables import explain as derivations
from archbench.reporting.tables.model_caveats import caveats
from archbench.units import printable


@dataclass(frozen=True, repr=False)
class Explanation(TableResult):
    """Each figure of one or all layers with its formula, the numbers in it and the result; a row per derivation.

    `layers` are the layers explained, `trace` those of the whole model with their totals. `str()` is the text that
    `archbench explain` prints.
    """

    formats: ClassVar[tuple[Format, ...]] = ("table", "csv", "json", "markdown", "latex")

    model: str
    layers: tuple[LayerExplanation, ...]
    trace: TraceExplanation
    real_data_reason: str | None = None

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, as sentences."""
        return caveats(self.model, self.trace.table, self.real_data_reason)

    def to_table(self) -> Table:
        """Return one row per derivation."""
        return derivations.to_table(self.layers)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return what `--format json` writes: one dict per layer with its derivations and remarks."""
        return derivations.to_data(self.layers)

    def render(
        self, format: Format, *, stream: IO[str] | None = None, width: int | None = None, notes: bool = True
    ) -> str:
        """Return the explanation as text in a format; a table is prose with one equation a line."""
        title = f"{self.model}, batch {self.trace.batch}"
        if format == "table":
            return printable(derivations.to_text(self.trace, self._shown(), title, self._is_whole))
        if format == "markdown":
            return printable(derivations.to_markdown(self.trace, self._shown(), title, self._is_whole))
        if format == "latex":
            return to_latex(self.trace, self._shown(), title, self._is_whole)
        return super().render(format, stream=stream, width=width, notes=notes)

    def _shown(self) -> tuple[LayerExplanation, ...]:
        """Return the layers as people read them: of equal consecutive blocks the first, after the sums of all."""
        return with_repeats_once(self.layers, self.trace.table) if self._is_whole else self.layers

    @property
    def _is_whole(self) -> bool:
        return len(self.layers) == len(self.trace.layers)

    def __str__(self) -> str:
        return "\n\n".join([self.render("table").rstrip("\n"), *self.caveats])

    def __repr__(self) -> str:
        what = self.layers[0].row.name if len(self.layers) == 1 else f"{len(self.layers)} layers"
        number = sum(len(layer.derivations) for layer in self.layers)
        return f"<Explanation of {self.model}, {what}: {number} derivations>"

    def _repr_markdown_(self) -> str:
        return self.render("markdown")

    def _repr_latex_(self) -> str:
        return to_equations(self._shown())


def explain(model: Model, layer: str | None = None, *, inputs: Inputs = None, batch: int = 1) -> Explanation:
    """Derive each figure of a layer from the layer's own numbers: sizes, parameters, MACs, FLOPs, memory.

    Args:
        model: A module, or an address such as `"vgg16"`.
        layer: The name of a row of the summary, such as `"conv1"`, or of a module, whose parts are explained; by
            default all layers are. The row that joins branches, such as `"inception_3a/cat"`, explains their block.
        inputs: As in `archbench.summarize`.
        batch: The number of samples; counts are for the whole batch, neurons per sample.

    Raises UsageError for a layer that the model does not have; AddressError, InputError or ForwardError as
    `archbench.summarize`.
    """
    loaded = load_model(model, inputs)
    record = loaded.trace(batch, "eval", None)
    explained = explain_trace(record)
    return Explanation(loaded.name, _chosen(explained.layers, layer, loaded.name), explained, record.real_data_reason)


def _chosen(layers: Sequence[LayerExplanation], name: str | None, model: str) -> tuple[LayerExplanation, ...]:
    """Return the layer of that name with its parts, or all layers for None. Raises UsageError if there is none."""
    parts = (f"{name}/", f"{name}.")
    chosen = tuple(layer for layer in layers if name in (None, layer.row.name) or layer.row.name.startswith(parts))
    if not chosen and name is not None:
        hint = nearest(name, (layer.row.name for layer in layers))
        raise UsageError(f"{model} has no layer '{name}'{hint or f'; archbench summary {model} lists them'}")
    return chosen
