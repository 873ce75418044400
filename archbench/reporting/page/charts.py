"""The charts of a report, of whatever there is data: which chart is drawn of what, by section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archbench.analyze.explain.explain import Explanation
from archbench.analyze.layers import LayerTable
from archbench.analyze.memory.timeline import timeline
from archbench.hardware.device import Device
from archbench.reporting.charts.accuracy import measured_accuracy_chart
from archbench.reporting.charts.latency import latency_chart
from archbench.reporting.charts.layers import layers_chart
from archbench.reporting.charts.memory import memory_chart
from archbench.reporting.charts.published_error import published_error, published_error_chart
from archbench.reporting.charts.roofline import roofline_chart
from archbench.reporting.charts.throughput import throughput_chart
from archbench.reporting.charts.time_to_accuracy import time_to_accuracy_chart
from archbench.reporting.charts.training import training_chart
from archbench.reporting.page.contents import Material, Subject

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart

Spec = Mapping[str, Any]


def model_charts(subject: Subject, table: LayerTable, device: Device | None) -> Iterator[Spec]:
    """Yield what is drawn of one model: its layers, its memory, and on a device its roofline."""
    if any(row.params or row.macs for row in table.rows):
        yield _spec(layers_chart({subject.address: table.rows}))
    moments = timeline(subject.trace)
    if len(moments) > 1:
        yield _spec(memory_chart(moments, title=f"{subject.address} in inference"))
    if device is not None and subject.roofline and any(row.flops and row.intensity for row in subject.roofline):
        yield roofline_chart(subject.roofline, device, "fp32", title=f"{subject.address}, one sample").to_dict(
            validate=False
        )


def overview_charts(material: Material, explanations: Sequence[Explanation]) -> Iterator[Spec]:
    """Yield published errors against MACs, of the models that have one."""
    rows = (
        published_error(subject.address, subject.card, subject.input_shape, explanation.table.totals)
        for subject, explanation in zip(material.subjects, explanations, strict=True)
    )
    known = [row for row in rows if row is not None]
    if known:
        yield _spec(published_error_chart(known))


def measured_charts(material: Material) -> Iterator[Spec]:
    """Yield what is drawn of measurements that are ok: rates against batch, percentiles of latencies."""
    good = [result for result in material.results if result.status == "ok"]
    if any(result.images_per_s for result in good):
        yield _spec(throughput_chart(good))
    if any(result.latencies_s for result in good):
        yield _spec(latency_chart(good))


def training_charts(material: Material) -> Iterator[Spec]:
    """Yield what is drawn of a training run: accuracy against MACs, curves, accuracy against time."""
    if material.run is None:
        return
    run = material.run.figures
    data = run.data_said
    if any(row.top1_mean is not None for row in run.accuracies):
        yield _spec(measured_accuracy_chart(run.accuracies, data=data))
    if run.epochs:
        yield _spec(training_chart(run.epochs, data=data, chance=run.chance))
        yield _spec(time_to_accuracy_chart(run.epochs, data=data, chance=run.chance))


def _spec(chart: Chart) -> Spec:
    """Return a chart's specification; that charts are valid is shown by their own tests."""
    found: Spec = chart.to_dict(validate=False)
    return found
