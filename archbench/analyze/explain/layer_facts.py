"""A row of the layer table with the operators, parameters and earlier rows that its figures derive from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archbench.analyze.layers import LayerRow
from archbench.trace.costs import Count
from archbench.trace.records import Operation, Parameter, TensorInfo

NORMS = ("aten.native_batch_norm", "aten.native_layer_norm", "aten.native_group_norm")


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """A row of the layer table with its computing operators, its own parameters and the rows before it.

    `generating` are the operators that generate values, such as a mask, for the row's own; `returned` are the tensors
    that the layer's first call returned.
    """

    row: LayerRow
    operations: Sequence[Operation]
    generating: Sequence[Operation]
    parameters: Sequence[Parameter]
    earlier: Sequence[LayerRow]
    returned: Sequence[TensorInfo]
    element_bytes: int
    batch: int

    @property
    def one_call(self) -> Sequence[Operation]:
        """The operators of the first call."""
        return self.operations[: len(self.operations) // max(self.row.calls, 1)]

    @property
    def convolutions(self) -> list[Operation]:
        """The convolutions of one call."""
        return [op for op in self.one_call if op.name == "aten.convolution"]

    @property
    def products(self) -> list[Operation]:
        """The matrix products with weights in one call, as in a linear layer."""
        return [op for op in self.one_call if op.name in ("aten.mm", "aten.addmm") and op.weights[-1]]

    @property
    def recurrent(self) -> Operation | None:
        """The recurrent layers of one call, which are one operator."""
        layers = [op for op in self.one_call if op.name == "aten._cudnn_rnn"]
        return layers[0] if len(layers) == 1 and isinstance(layers[0].macs, Count) else None

    @property
    def pooling(self) -> Operation | None:
        """The pooling operator that slides over positions, not over maps as in response normalisation."""
        pooling = [op for op in self.one_call if op.window is not None and op.name != "aten.convolution"]
        return pooling[0] if len(pooling) == 1 and self.row.type != "LocalResponseNorm" else None

    @property
    def outputs(self) -> tuple[int, ...]:
        """The sizes of the output for one sample."""
        return per_sample(self.row.output_shape or (), self.batch)

    def repeated(self, shape: Sequence[int]) -> dict[str, int]:
        """Return the factors from a figure for one sample, of a tensor of `shape`, and one call to the layer's."""
        samples = self.batch if len(shape) > 1 and shape[0] == self.batch else 1
        return {name: n for name, n in (("samples", samples), ("calls", self.row.calls)) if n > 1}


def per_sample(shape: tuple[int, ...], batch: int) -> tuple[int, ...]:
    """Return a shape without its first dimension if that is the batch."""
    return shape[1:] if len(shape) > 1 and shape[0] == batch else shape
