"""Charts of what was measured: throughput and latency."""

from __future__ import annotations

import random
from statistics import median

import pytest

from archbench.reporting.charts.latency import latency_chart
from archbench.reporting.charts.throughput import throughput_chart
from archbench.statistics.samples import percentile
from tests.helpers.chart_specs import axis_titles, encodings, records, result, subtitle


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
    assert subtitle(spec).startswith("NVIDIA H200, eval, bf16, nhwc, 3x224x224, eager.")


def test_of_one_configuration_the_newest_result_counts():
    spec = throughput_chart([result("vgg16", 1, 300.0, day=2), result("vgg16", 1, 200.0, day=1)]).to_dict()
    assert [row["images_per_s"] for row in records(spec, "low")] == [300.0]


def test_series_are_named_for_what_differs_and_the_rest_is_said_once():
    results = [result("vgg16", 1, 1.0), result("vgg16", 1, 2.0, dtype="fp32"), result("vgg16", 1, 3.0, mode="train")]
    spec = throughput_chart(results).to_dict()
    assert {row["series"] for row in records(spec, "low")} == {
        *("vgg16, eval, bf16", "vgg16, eval, fp32", "vgg16, train, bf16"),
    }
    assert subtitle(spec).startswith("NVIDIA H200, nhwc, 3x224x224, eager.")


def series_of(results):
    """Return the names of a chart's series, sorted."""
    return sorted({row["series"] for row in records(throughput_chart(results).to_dict(), "low")})


def test_a_device_that_two_machines_have_is_a_series_each():
    both = [result("vgg16", batch, 100.0, machine=machine) for batch in (1, 8) for machine in ("a", "b")]
    assert series_of(both) == ["vgg16, a", "vgg16, b"]
    # Where the device tells them apart, the machine need not.
    other = result("vgg16", 1, 100.0, machine="b", device="NVIDIA T4")
    assert series_of([both[0], other]) == ["vgg16, NVIDIA H200", "vgg16, NVIDIA T4"]


def test_ways_to_run_are_series():
    ways = [{}, {"compiled": True}, {"graphs": True}, {"compiled": True, "graphs": True}]
    assert series_of([result("vgg16", 1, 1.0, setting=way) for way in ways]) == [
        *("vgg16, CUDA graphs", "vgg16, compiled", "vgg16, compiled, CUDA graphs", "vgg16, eager"),
    ]
    threads = [result("vgg16", 1, 1.0, setting={"threads": count}) for count in (1, 2)]
    assert series_of(threads) == ["vgg16, 1 thread", "vgg16, 2 threads"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"graphs": True}, "nhwc, 3x224x224, CUDA graphs."),
        ({"threads": 2}, "nhwc, 3x224x224, eager, 2 threads."),
        ({"input_shape": "3x32x32", "compiled": True}, "nhwc, 3x32x32, compiled."),
    ],
)
def test_what_all_results_share_is_said(setting, said):
    spec = throughput_chart([result("vgg16", batch, 1.0, setting=setting) for batch in (1, 8)]).to_dict()
    assert subtitle(spec).startswith(f"NVIDIA H200, eval, bf16, {said}")


def test_an_input_that_not_all_models_have_is_not_said():
    spec = throughput_chart([result("a", 1, 1.0), result("b", 1, 1.0, setting={"input_shape": "1x32x32"})]).to_dict()
    assert subtitle(spec).startswith("NVIDIA H200, eval, bf16, nhwc, eager.")
    assert {row["series"] for row in records(spec, "low")} == {"a", "b"}


@pytest.mark.parametrize("rate", [0.0, None])
def test_a_result_without_a_rate_has_no_place_on_a_logarithmic_axis(rate):
    spec = throughput_chart([result("vgg16", 1, rate), result("vgg16", 8, 600.0)]).to_dict()
    assert [row["batch"] for row in records(spec, "low")] == [8]


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


def test_no_legend_of_a_series_contradicts_another():
    found = [
        encoding[channel].get("legend", "by default")
        for encoding in encodings(throughput_chart([result("vgg16", 1, 10.0)]).to_dict())
        for channel in ("color", "shape", "strokeDash")
        if channel in encoding
    ]
    # Of legends that are merged into one, Vega warns if some are switched off.
    assert found
    assert None not in found


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
    assert "p99" not in drawn[2]["label"]


def test_latencies_fill_their_axis_and_their_numbers_stand_beside_it():
    results = [measured("vgg16", 1, 100), measured("vgg16", 8, 100)]
    spec = latency_chart(results).to_dict()
    drawn = records(spec, "num_samples")
    domain = next(each["x"]["scale"]["domain"] for each in encodings(spec) if "scale" in each.get("x", {}))
    slowest, fastest = max(row["slowest_s"] for row in drawn), min(row["fastest_s"] for row in drawn)
    # At each end 8% of the decades that the steps span, and no less than 0.15 decades.
    room = max((slowest / fastest) ** 0.08, 10**0.15)
    assert domain == pytest.approx([fastest / room, slowest * room])
    (numbers,) = [each for each in encodings(spec) if each.get("text", {}).get("field") == "label"]
    assert numbers["x"] == {"value": "width"}


def test_only_percentiles_that_were_measured_are_in_the_legend():
    found = [
        each["color"]["scale"]["domain"]
        for steps in (10, 100, 700)
        for each in encodings(latency_chart([measured("vgg16", 1, steps)]).to_dict())
        if "color" in each
    ]
    assert found == [["median"], ["median", "p90"], ["median", "p90", "p99"]]


def test_of_many_latencies_the_newest_40_are_shown():
    newest_first = [result("vgg16", batch, 1.0, latencies_s=(0.1, 0.2)) for batch in range(1, 46)]
    spec = latency_chart([result("vgg16", 99, 1.0), *newest_first], notes=["Doubtful."]).to_dict()
    assert [row["batch"] for row in records(spec, "num_samples")] == list(range(1, 41))
    assert subtitle(spec).endswith("The newest 40 of 45 configurations are shown. Doubtful.")


def test_latency_is_a_logarithmic_axis_of_time():
    spec = latency_chart([measured("vgg16", 1, 100), measured("vgg16", 64, 100)]).to_dict()
    assert "Latency of one step (logarithmic)" in axis_titles(spec)
    scales = [encoding["x"]["scale"]["type"] for encoding in encodings(spec) if "scale" in encoding.get("x", {})]
    assert set(scales) == {"log"}
