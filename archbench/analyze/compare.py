"""The comparison table: one row a model."""

from __future__ import annotations

from dataclasses import dataclass

from archbench.analyze.layers import Totals


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One row; the fields are the columns. `input_shape` is the first input, batch included.

    Of the peaks one is None: of inference in mode `train`, of training in mode `eval`.
    """

    model: str
    title: str
    year: int | None
    input_shape: tuple[int, ...]
    weight_layers: int
    params: int
    macs: int
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
    """Return the row of a model from its totals and what its card says."""
    return ModelRow(
        model=model,
        title=title,
        year=year,
        input_shape=input_shape,
        weight_layers=totals.weight_layers,
        params=totals.params,
        macs=totals.macs,
        flops=totals.flops,
        neurons=totals.neurons,
        param_bytes=totals.param_bytes,
        peak_inference_bytes=totals.peak_inference_bytes,
        peak_training_bytes=totals.peak_training_bytes,
        intensity=totals.intensity,
        reported_top5_error_percent=reported_top5_error_percent,
    )
