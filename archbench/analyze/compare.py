"""The comparison table: one row per model."""

from __future__ import annotations

from dataclasses import dataclass

from archbench.analyze.layers import Totals
from archbench.analyze.shared_fields import shared_fields


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One row; the fields are the columns. `input_shape` is the first input, batch included.

    One of the peaks is None: that of inference in mode `train`, that of training in mode `eval`, which has no
    `training_macs` either: those of forward and backward pass. `active_params` is
    None for models without experts.
    """

    model: str
    title: str
    year: int | None
    input_shape: tuple[int, ...]
    weight_layers: int
    params: int
    active_params: int | None
    macs: int
    training_macs: int | None
    flops: int
    neurons: int
    param_bytes: int
    peak_inference_bytes: int | None
    peak_training_bytes: int | None
    intensity: float | None
    reported_top5_error_percent: float | None


def comparison_row(
    model: str,
    totals: Totals,
    *,
    title: str,
    year: int | None,
    input_shape: tuple[int, ...],
    reported_top5_error_percent: float | None = None,
) -> ModelRow:
    """Return a model's row from its totals and its card's figures."""
    return ModelRow(
        model=model,
        title=title,
        year=year,
        input_shape=input_shape,
        reported_top5_error_percent=reported_top5_error_percent,
        **shared_fields(totals, ModelRow),
    )
