"""What `archbench plot` draws: the records of each kind of chart are got here, and handed to its function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archbench.errors import UsageError, nearest
from cli.options import result_filter
from cli.output import note, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from archbench.reporting.charts.catalogue import Kind
    from archbench.reporting.charts.published_error import PublishedError
    from archbench.reporting.charts.theme import Chart
    from archbench.store.records import Result
    from archbench.training.run_dir.load import FinishedRun
    from cli.predicting import Run


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user typed: models or a folder, options by name, None where one was not given, the size of the plot."""

    kind: Kind
    of: tuple[str, ...]
    options: Mapping[str, Any]
    width: int | None
    height: int | None

    @property
    def size(self) -> dict[str, Any]:
        """The size as arguments of a chart's function, without what was not asked for."""
        size = {"width": self.width, "height": self.height}
        return {name: pixels for name, pixels in size.items() if pixels is not None}

    def option(self, name: str, default: Any) -> Any:
        """Return an option's value, or the default."""
        value = self.options[name]
        return default if value is None else value


def chart(asked: Asked) -> Chart:
    """Return the chart. Raises UsageError if there is nothing to plot, or for an option that says nothing to the kind.

    And whatever the models, the store or the folder that are asked for raise.
    """
    from archbench.reporting.charts.catalogue import KINDS

    for name, value in asked.options.items():
        if value is not None and name not in asked.kind.options:
            others = ", ".join(other.name for other in KINDS.values() if name in other.options)
            raise UsageError(f"--{name} says nothing to 'plot {asked.kind.name}'; it is for {others}")
    return _CHARTS[asked.kind.name](asked)


def _one(asked: Asked) -> str:
    """Return the one model or folder that a chart is of."""
    if len(asked.of) != 1:
        there = f"{len(asked.of)} are given" if asked.of else "none is given"
        raise UsageError(f"'plot {asked.kind.name}' is of one {asked.kind.of.split()[0]}, and {there}")
    return asked.of[0]


def _layers(asked: Asked) -> Chart:
    from archbench.reporting.charts.layers import layers_chart
    from cli.loading import count

    if not asked.of:
        raise UsageError(f"'plot {asked.kind.name}' needs a model, such as 'archbench plot {asked.kind.name} vgg16'")
    batch = asked.option("batch", 1)
    models = {}
    doubts: list[str] = []
    for address in asked.of:
        summary = count(address, asked.options["input"], batch, "eval").summary
        if not any(row.params or row.macs for row in summary.rows):
            raise UsageError(f"nothing to plot: {address} has neither parameters nor MACs")
        models[address] = summary.rows
        doubts += summary.caveats
    return layers_chart(models, batch=batch, notes=_warned(doubts), **asked.size)


def _memory(asked: Asked) -> Chart:
    from archbench.analyze.memory.timeline import timeline
    from archbench.reporting.charts.memory import memory_chart

    address = _one(asked)
    run, title = _run(address, asked, device=None)
    trace = run.trace(asked.option("batch", 1))
    return memory_chart(timeline(trace), title=title, notes=_warned(run.caveats(trace)), **asked.size)


def _roofline(asked: Asked) -> Chart:
    from archbench.analyze.performance.estimate import roofline_rows
    from archbench.reporting.charts.roofline import roofline_chart

    address = _one(asked)
    device = asked.options["device"]
    if device is None:
        raise UsageError("'plot roofline' needs a --device, such as --device h200; 'archbench devices' lists them")
    run, title = _run(address, asked, device=device)
    assert run.conditions is not None, "a device was named"
    trace = run.trace(asked.option("batch", 1))
    rows = roofline_rows(trace, run.conditions)
    if not any(row.flops for row in rows):
        raise UsageError(f"nothing to plot: {address} does no arithmetic")
    place, precision = run.conditions.device, run.conditions.precision
    doubts = _warned(run.caveats(trace))
    return roofline_chart(rows, place, precision.product_dtype, title=title, notes=doubts, **asked.size)


def _run(address: str, asked: Asked, device: str | None) -> tuple[Run, str]:
    """Return a model as it would be run, and what that is in words."""
    from archbench.hardware.find import find_device
    from cli.estimating import assumed_efficiency
    from cli.predicting import chosen_optimizer, prepare

    mode, dtype = asked.option("mode", "eval"), asked.option("dtype", "fp32")
    optimizer = asked.option("optimizer", "momentum")
    if asked.options["optimizer"] is not None and mode != "train":
        raise UsageError(f"--optimizer {optimizer} says nothing to --mode {mode}; add --mode train")
    place = None if device is None else find_device(device)
    run = prepare(
        address,
        inputs=asked.options["input"],
        mode=mode,
        dtype=dtype,
        checkpoint=None,
        optimizer=chosen_optimizer(optimizer, "foreach", 0.0),
        device=place,
        layout="nchw",
        efficiency=1.0 if place is None else assumed_efficiency(None, place, fused=False).value,
    )
    with_update = f", {optimizer}" if mode == "train" and optimizer != "none" else ""
    return run, f"{address}, {mode}, batch {asked.option('batch', 1)}, {dtype}{with_update}"


def _accuracy(asked: Asked) -> Chart:
    from archbench.models.address import model_names
    from archbench.reporting.charts.accuracy import measured_accuracy_chart
    from archbench.reporting.charts.published_error import published_error_chart

    names = model_names()
    folders = [target for target in asked.of if target not in names and Path(target).is_dir()]
    if folders and len(asked.of) > 1:
        raise UsageError(
            f"'{folders[0]}' is a folder: what was measured is not comparable with published errors; give it alone"
        )
    if not folders:
        rows, doubts = _published(asked.of or tuple(names))
        return published_error_chart(rows, notes=_warned(doubts), **asked.size)
    run = _training_run(folders[0])
    if all(row.top1_mean is None for row in run.accuracies):
        raise UsageError(f"nothing to plot: no model of '{folders[0]}' has an accuracy yet; it has at the run's end")
    return measured_accuracy_chart(run.accuracies, data=run.data_said, **asked.size)


def _published(addresses: tuple[str, ...]) -> tuple[list[PublishedError], list[str]]:
    """Return the models of which an error is published, and what makes their counts doubtful.

    Raises UsageError if there is none.
    """
    rows = {address: _published_row(address) for address in addresses}
    found = [row for row, _ in rows.values() if row is not None]
    without = [address for address, (row, _) in rows.items() if row is None]
    if not found:
        known = "'archbench plot accuracy' alone plots all that are known, a run's folder what was trained"
        raise UsageError(f"nothing to plot: no error of {', '.join(without)} is published on a card; {known}")
    if without:
        note(f"without a published error: {', '.join(without)}")
    return found, [doubt for row, doubts in rows.values() if row is not None for doubt in doubts]


def _published_row(address: str) -> tuple[PublishedError | None, tuple[str, ...]]:
    from archbench.models.address import find
    from archbench.reporting.charts.published_error import published_error
    from cli.loading import count

    if find(address).card is None:
        return None, ()
    counted = count(address, None, 1, "eval")
    summary = counted.summary
    return published_error(address, counted.card, summary.inputs[0][1:], summary.totals), summary.caveats


def _throughput(asked: Asked) -> Chart:
    from archbench.reporting.charts.throughput import throughput_chart

    return throughput_chart(_stored(asked, lambda result: bool(result.images_per_s)), **asked.size)


def _latency(asked: Asked) -> Chart:
    from archbench.reporting.charts.latency import latency_chart

    return latency_chart(_stored(asked, lambda result: bool(result.latencies_s)), **asked.size)


def _stored(asked: Asked, is_usable: Callable[[Result], bool]) -> list[Result]:
    """Return the stored results that are asked for, of status ok. Raises UsageError if there is none."""
    from archbench.models.identity import resolved
    from archbench.store.database import Store, default_path

    path = asked.option("store", default_path())
    wanted = result_filter(**{name: asked.options[name] for name in ("mode", "device", "dtype", "batch")})
    stored = Store(path, for_reading=True)
    if not stored.exists():
        raise UsageError(f"nothing to plot: there is no store '{path}' yet; 'archbench bench MODEL' fills it")
    with stored:
        found = stored.results(wanted)
    models = dict.fromkeys(result.configuration.model for result in found)
    typed = {resolved(address): address for address in asked.of}
    missing = [address for name, address in typed.items() if name not in models]
    if missing or not found:
        what = f"of {missing[0]} " if missing else ""
        hint = nearest(missing[0], models) if missing else ""
        listed = f"{hint}; 'archbench results' lists what there is"
        raise UsageError(f"nothing to plot: no result {what}in '{path}' is as asked for{listed}")
    mine = [_as_typed(result, typed) for result in found if not typed or result.configuration.model in typed]
    good = [result for result in mine if result.status == "ok" and is_usable(result)]
    if not good:
        raise UsageError(f"nothing to plot: none of {len(mine)} results is ok; 'archbench results' says why")
    if len(good) < len(mine):
        note(f"left out: {len(mine) - len(good)} of {len(mine)} results, which are not ok")
    return good


def _as_typed(result: Result, typed: Mapping[str, str]) -> Result:
    """Return a result under the address that the user typed: the whole path of a file is too long for a legend."""
    model = result.configuration.model
    return replace(result, configuration=replace(result.configuration, model=typed.get(model, model)))


def _training(asked: Asked) -> Chart:
    from archbench.reporting.charts.training import training_chart

    run = _training_run(_one(asked))
    return training_chart(run.epochs, data=run.data_said, chance=run.chance, **asked.size)


def _time(asked: Asked) -> Chart:
    from archbench.reporting.charts.time_to_accuracy import time_to_accuracy_chart

    run = _training_run(_one(asked))
    levels = asked.option("threshold", ())
    return time_to_accuracy_chart(run.epochs, data=run.data_said, chance=run.chance, thresholds=levels, **asked.size)


def _training_run(folder: str) -> FinishedRun:
    """Return a run of which something can be plotted. Raises UsageError for a folder without one."""
    from archbench.training.run_dir.paths import RunFolder

    metrics = RunFolder(Path(folder)).metrics
    if not metrics.is_file():
        what = f"'{folder}' has no {metrics.name}" if Path(folder).is_dir() else f"there is no folder '{folder}'"
        raise UsageError(f"nothing to plot: {what}; 'archbench train MODEL --out {folder}' makes a run")

    from archbench.training.run_dir.load import read_finished

    run = read_finished(Path(folder))
    if not run.epochs:
        raise UsageError(f"nothing to plot: no epoch of the run '{folder}' has ended yet")
    return run


def _warned(doubts: Sequence[str]) -> Sequence[str]:
    """Say what makes numbers doubtful, and return it for the picture to say, too."""
    for doubt in doubts:
        warn(doubt)
    return doubts


_CHARTS: dict[str, Callable[[Asked], Chart]] = {
    "layers": _layers,
    "memory": _memory,
    "roofline": _roofline,
    "accuracy": _accuracy,
    "throughput": _throughput,
    "latency": _latency,
    "training": _training,
    "time": _time,
}
