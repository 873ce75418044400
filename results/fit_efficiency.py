"""Fit the efficiency of each published source on its row of VGG-16, and write `archbench/hardware/efficiency.csv`.

    python results/fit_efficiency.py

Prints the relative error of the predictions for the other rows, which are held out of the fit.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path

from archbench.analyze.performance.efficiency import Fit, PublishedRate, fit_efficiency, published_rates
from archbench.analyze.performance.roofline import Conditions, time_s
from archbench.files import write_whole
from archbench.hardware.find import find_device
from archbench.models.loaded import load_model
from archbench.precision import PRECISIONS
from archbench.trace.records import Trace

FITTED_ON = "vgg16"
TARGET = Path(__file__).parent.parent / "archbench" / "hardware" / "efficiency.csv"


@cache
def traced(model: str, batch: int, dtype: str) -> Trace:
    """Return the trace of a model's inference on its usual input."""
    return load_model(model, dtype=dtype).trace(batch)


def conditions(row: PublishedRate, efficiency: float) -> Conditions:
    """Return the conditions of a published measurement, with an efficiency."""
    return Conditions(find_device(row.device), PRECISIONS[row.dtype], efficiency, row.layout, row.is_fused)


def errors(rows: list[PublishedRate], efficiency: float) -> dict[str, float]:
    """Return the relative error of the predicted rate for each row's model."""
    times = {row.model: time_s(traced(row.model, row.batch, row.dtype), conditions(row, efficiency)) for row in rows}
    return {row.model: row.batch / times[row.model] / row.images_per_s - 1 for row in rows}


def fit(rows: list[PublishedRate]) -> tuple[Fit, dict[str, float]]:
    """Return the fit of one source and its relative errors on the held-out rows."""
    fitted = next(row for row in rows if row.model == FITTED_ON)
    efficiency = fit_efficiency(
        traced(fitted.model, fitted.batch, fitted.dtype), conditions(fitted, 1.0), fitted.images_per_s
    )
    held_out = errors([row for row in rows if row is not fitted], efficiency)
    worst = round(max(map(abs, held_out.values())), 4)
    return Fit(
        fitted.source, fitted.device, fitted.is_fused, FITTED_ON, round(efficiency, 4), round(worst, 4)
    ), held_out


def fits() -> list[tuple[Fit, dict[str, float]]]:
    """Return the fit of every source with its errors on held-out rows."""
    by_source = defaultdict(list)
    for row in published_rates():
        by_source[row.source].append(row)
    return [fit(rows) for rows in by_source.values()]


def main() -> None:
    """Write the fits and print them."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [field.name for field in fields(Fit)], lineterminator="\n")
    writer.writeheader()
    for source, held_out in fits():
        writer.writerow(asdict(source))
        held_out_errors = ", ".join(f"{model} {error:+.1%}" for model, error in held_out.items())
        print(f"{source.source}: efficiency {source.efficiency:.3f}; predicted minus published: {held_out_errors}")
    write_whole(TARGET, stream.getvalue())


if __name__ == "__main__":
    main()
