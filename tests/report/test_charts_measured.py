"""Charts of what was measured: throughput and latency."""

from __future__ import annotations

import random
from statistics import median

from archbench.measure.statistics import percentile
from archbench.report.charts.latency import latency_chart
from archbench.report.charts.throughput import throughput_chart
from tests.report.chart_specs import axis_titles, encodings, records, result, subtitle


def measured(model, batch, steps):
    generator = random.Random(batch)
    times = tuple(0.01 * batch * (1 + generator.random()) for _ in range(steps))
    return result(
        model,
        batch,
        100.0,
        latencies_s=times,
        latency_s_median=median(times),
        latency_s_p90=percentile(times, 90),
        latency_s_p99=percentile(times, 99),
    )


def test_throughput_has_each_batch_with_its_interval():
    results = [result("vgg16", 8, 900.0), result("vgg16", 1, 200.0), result("alexnet", 1, 1000.0)]
    spec = throughput_chart(results).to_dict()
    drawn = [
        (row["series"], row["batch"], row["images_per_s"], row["low"], row["high"]) for row in records(spec, "low")
    ]
    assert drawn == [
        ("alexnet", 1, 1000.0, 980.0, 1020.0),
        ("vgg16", 1, 200.0, 196.0, 204.0),
        ("vgg16", 8, 900.0, 882.0, 918.0),
    ]
    assert axis_titles(spec) == {"Batch (images)", "Throughput (images/s)"}
    assert subtitle(spec).startswith("NVIDIA H200, eval, bf16, nhwc, eager.")


def test_of_one_configuration_the_newest_result_counts():
    spec = throughput_chart([result("vgg16", 1, 300.0, day=2), result("vgg16", 1, 200.0, day=1)]).to_dict()
    assert [row["images_per_s"] for row in records(spec, "low")] == [300.0]


def test_series_are_named_for_what_differs_and_the_rest_is_said_once():
    results = [result("vgg16", 1, 1.0), result("vgg16", 1, 2.0, dtype="fp32"), result("vgg16", 1, 3.0, mode="train")]
    spec = throughput_chart(results).to_dict()
    assert {row["series"] for row in records(spec, "low")} == {
        *("vgg16, eval, bf16", "vgg16, eval, fp32", "vgg16, train, bf16"),
    }
    assert subtitle(spec).startswith("NVIDIA H200, nhwc, eager.")


def test_series_differ_in_shape_and_dashes_too():
    results = [result(name, 1, 10.0) for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i")]
    found = {"color": None, "shape": None, "strokeDash": None}
    for encoding in encodings(throughput_chart(results).to_dict()):
        for channel in found:
            if channel in encoding:
                found[channel] = encoding[channel]["scale"]["range"]
    looks = list(zip(*found.values(), strict=True))
    assert all(len(choices) == 9 for choices in found.values())
    # No two of nine series agree in more than one of the three.
    agreements = [sum(x == y for x, y in zip(a, b, strict=True)) for i, a in enumerate(looks) for b in looks[i + 1 :]]
    assert max(agreements) == 1


def test_latency_shows_the_percentiles_that_samples_allow():
    results = [measured("vgg16", 1, 700), measured("vgg16", 8, 100), measured("alexnet", 1, 10)]
    drawn = records(latency_chart(results).to_dict(), "num_samples")
    assert [(row["row"], row["num_samples"]) for row in drawn] == [
        ("alexnet, batch 1", 10),
        ("vgg16, batch 1", 700),
        ("vgg16, batch 8", 100),
    ]
    # p90 needs 64 samples, p99 662.
    assert [[row[name] is None for name in ("latency_s_p90", "latency_s_p99")] for row in drawn] == [
        [True, True],
        [False, False],
        [False, True],
    ]
    for row, one in zip(
        drawn, sorted(results, key=lambda one: (one.configuration.model, one.configuration.batch)), strict=True
    ):
        assert (row["fastest_s"], row["slowest_s"]) == (min(one.latencies_s), max(one.latencies_s))
        assert row["latency_s_median"] == one.latency_s_median
    assert "p99" not in drawn[2]["said"]


def test_latency_is_a_logarithmic_axis_of_time():
    spec = latency_chart([measured("vgg16", 1, 100), measured("vgg16", 64, 100)]).to_dict()
    assert "Latency of one step (logarithmic)" in axis_titles(spec)
    scales = [encoding["x"]["scale"]["type"] for encoding in encodings(spec) if "scale" in encoding.get("x", {})]
    assert set(scales) == {"log"}
