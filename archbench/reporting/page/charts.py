"""The charts of a report, by section: each chart for which there is data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archbench.analyze.explain.explain import TraceExplanation
from archbench.analyze.layers import LayerTable
from archbench.analyze.memory.timeline import timeline
from archbench.hardware.device import Device
from archbench.reporting.charts.accuracy import measured_accuracy_chart
from archbench.reporting.charts.latency import latency_chart
from archbench.reporting.charts.layers import layers_chart
from archbench.reporting.charts.memory import memory_chart
from archbench.reporting.charts.model_names import model_title
from archbench.reporting.charts.published_error import published_error, published_error_chart
from archbench.reporting.charts.roofline import roofline_chart
from archbench.reporting.charts.throughput import throughput_chart
from archbench.reporting.charts.time_to_accuracy import time_to_accuracy_chart
from archbench.reporting.charts.training import training_chart
from archbench.reporting.page.contents import ReportContents, ReportModel

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart

Spec = Mapping[str, Any]


def model_charts(model: ReportModel, table: LayerTable, device: Device | None) -> Iterator[Spec]:
    """Yield the charts of one model: layers, memory, and with a device the roofline."""
    if any(row.params or row.macs for row in table.rows):
        yield _spec(layers_chart({model.address: table.rows}, title=model_title(model.address, model.card)))
    moments = timeline(model.trace)
    if len(moments) > 1:
        yield _spec(
            memory_chart(moments, title=model_title(model.address, model.card), setting="inference, one sample")
        )
    if device is not None and model.roofline and any(row.flops and row.intensity for row in model.roofline):
        yield _spec(
            roofline_chart(
                model.roofline, device, "fp32", title=model_title(model.address, model.card), setting="one sample, fp32"
            )
        )


def overview_charts(contents: ReportContents, explanations: Sequence[TraceExplanation]) -> Iterator[Spec]:
    """Yield the published errors against MACs, of models that have one."""
    rows = (
        published_error(model.address, model.card, model.input_shape, explanation.table.totals)
        for model, explanation in zip(contents.models, explanations, strict=True)
    )
    known = [row for row in rows if row is not None]
    if known:
        yield _spec(published_error_chart(known))


def measured_charts(contents: ReportContents) -> Iterator[Spec]:
    """Yield the charts of measurements with status `ok`: rate against batch, percentiles of latency."""
    good = [result for result in contents.results if result.status == "ok"]
    if any(result.images_per_s for result in good):
        yield _spec(throughput_chart(good))
    if any(result.latencies_s for result in good):
        yield _spec(latency_chart(good))


def training_charts(contents: ReportContents) -> Iterator[Spec]:
    """Yield the charts of a training run: accuracy against MACs, curves, accuracy against time."""
    if contents.run is None:
        return
    run = contents.run.figures
    data = run.data_label
    if any(row.top1_mean is not None for row in run.accuracies):
        yield _spec(measured_accuracy_chart(run.accuracies, data=data))
    if run.epochs:
        yield _spec(training_chart(run.epochs, data=data, chance=run.chance))
        yield _spec(time_to_accuracy_chart(run.epochs, data=data, chance=run.chance))


def _spec(chart: Chart) -> Spec:
    """Return a chart's specification without validation, which the charts' tests do."""
    spec: Spec = chart.to_dict(validate=False)
    return spec
