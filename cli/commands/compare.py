"""`archbench compare`: one row a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Batch, Csv, FormatOption, Inputs, Mode, Models, ModeOption, Output, StorePath
from cli.output import note

if TYPE_CHECKING:
    from archbench.store.records import Result
    from archbench.store.trainings import TrainingResult

Measured = Annotated[bool, typer.Option("--measured", help="Add the best rate that was measured on this machine.")]
Trained = Annotated[bool, typer.Option("--trained", help="Add the accuracy of the newest training run of each.")]
Baseline = Annotated[str | None, typer.Option("--baseline", metavar="MODEL", help="Ratios refer to it, not the first.")]


def compare(
    models: Models,
    input: Inputs = None,
    batch: Batch = 1,
    mode: ModeOption = Mode.eval,
    baseline: Baseline = None,
    measured: Measured = False,
    trained: Trained = False,
    store: StorePath = None,
    format: FormatOption = None,
    output: Output = None,
    csv: Csv = None,
) -> None:
    """Compare models, one row each.

    Parameters, MACs, FLOPs, neurons and reported error, with ratios to the first model.

    Example: archbench compare alexnet zfnet vgg16 --csv compare.csv
    """
    from archbench.errors import UsageError, nearest
    from cli.output import destination

    target = destination(format, output, csv)
    if baseline is not None and baseline not in models:
        raise UsageError(f"--baseline {baseline} is not one of {', '.join(models)}{nearest(baseline, models)}")

    from archbench.reporting.tables.model import comparison_table
    from cli.loading import count

    all_counted = [count(model, input, batch, mode) for model in models]
    rows = [counted.row() for counted in all_counted]
    protocols = [
        f"{row.model}: reported error on {counted.card.reported_protocol}."
        for counted, row in zip(all_counted, rows, strict=True)
        if counted.card and counted.card.reported_protocol and row.reported_top5_error_percent is not None
    ]
    first = models.index(baseline) if baseline else 0
    said = [caveat for counted in all_counted for caveat in counted.summary.caveats]
    target.deliver(
        comparison_table(
            rows,
            baseline=first,
            batch=batch,
            mode=mode.value,
            notes=protocols,
            caveats=said,
            measured=_best(models, input, mode, store) if measured else None,
            trained=_learned(models, store) if trained else None,
        )
    )


def _best(models: list[str], inputs: list[str] | None, mode: Mode, path: Path | None) -> dict[str, Result]:
    """Return the fastest result of each model that was measured here on the same input, and is not out of date."""
    from archbench.host.machine import machine
    from archbench.measure.bench.sweep import input_shape, is_current
    from archbench.models.address import find, resolved
    from archbench.store.database import Filter, Store, default_path

    store = Store(path or default_path(), for_reading=True)
    if not store.exists():
        note("nothing was measured yet; archbench bench does it")
        return {}
    best = {}
    with store:
        for model in models:
            shape = input_shape(find(model), inputs or [])
            wanted = Filter(model=resolved(model), machine=machine(), status="ok", mode=mode.value, input_shape=shape)
            measured = store.fastest(wanted)
            current = [result for result in measured if is_current(result)]
            if current:
                best[model] = current[0]
            elif measured:
                note(f"{model}, or what runs it, has changed since it was measured; archbench bench measures it anew")
    return best


def _learned(models: list[str], path: Path | None) -> dict[str, TrainingResult]:
    """Return what each model came to in the newest run that has it, whatever it was trained on."""
    from archbench.models.address import resolved
    from archbench.store.database import Store, default_path

    store = Store(path or default_path(), for_reading=True)
    if not store.exists():
        note("nothing was trained yet; archbench train does it")
        return {}
    with store:
        found = {model: store.trainings(resolved(model), limit=1) for model in models}
    return {model: results[0] for model, results in found.items() if results}
