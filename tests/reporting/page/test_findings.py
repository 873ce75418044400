from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from archbench.analyze.claims import Judged
from archbench.analyze.layers import layer_table
from archbench.hardware.catalogue import published_devices
from archbench.reporting.page.build import report_page
from archbench.reporting.page.findings import claims_sentence, findings, where_it_lies
from archbench.reporting.page.measures import Measure, measures
from archbench.store.records import Configuration, Result
from tests.helpers.pages import Reader, report_contents, report_model


def counted(*models):
    return [layer_table(model.trace) for model in models]


def sentences(*models):
    tables = counted(*models)
    names = [model.address for model in models]
    return list(findings(names, tables, measures(report_contents(*models), tables)))


def test_a_model_is_compared_with_the_first_in_one_sentence():
    # Parameters 138.36M to 60.97M, MACs 15.47G to 724.4M, peaks 552.9 to 237.6 MiB, errors 8.1% and 18.2%.
    assert sentences(report_model("alexnet"), report_model("vgg16")) == [
        "vgg16: 2.3 times alexnet's parameters, 21 times its MACs, 2.3 times its peak memory, 10.1 points less"
        " top-5 error."
    ]


def test_figures_within_5_percent_are_called_the_same():
    models = [report_model(name, nn.Linear(width, 10), (width,)) for name, width in (("one", 100), ("other", 102))]
    (sentence,) = sentences(*models)
    assert sentence.startswith("other: about the same parameters as one, about the same MACs, ")


def test_small_ratios_are_fractions():
    # 2 of 100,100 parameters: 1/50,050; 1 of 100,000 multiplications.
    models = [report_model("one", nn.Linear(1000, 100), (1000,)), report_model("other", nn.Linear(1, 1), (1,))]
    (sentence,) = sentences(*models)
    assert sentence.startswith("other: 1/50,000 of one's parameters, 1/100,000 of its MACs, ")


def test_a_single_model_has_the_layers_where_its_figures_lie():
    # 1,000 of 1,024 multiplications, and weights, are in the first layer; biases are 10 and 2.
    model = report_model("net", nn.Sequential(nn.Linear(100, 10), nn.Linear(10, 2)), (100,))
    (sentence,) = sentences(model)
    assert sentence == (
        "In net, fully connected layers have 100.0% of the parameters (0 alone 97.9%) and they have"
        " 100.0% of the MACs (0 alone 98.0%)."
    )
    assert list(where_it_lies(counted(report_model("none", nn.ReLU(), (3,)))[0], "none")) == []


def test_of_many_models_the_extremes_are_named_and_what_the_least_error_costs():
    names = ["a", "b", "c", "d", "e", "f"]
    params = Measure("Parameters", "parameters", "count", (10, 20, 30, 40, 50, 100))
    error = Measure("Top-5 error", "top-5 error", "percent", (9.0, None, 6.5, 8.0, 7.0, 10.0))
    assert list(findings(names, [], [params, error])) == [
        "c has the smallest top-5 error, 6.5%, with 0.30 times f's parameters.",
        "f has the most parameters (100).",
    ]


def test_bars_share_the_scale_of_the_largest_value():
    measure = Measure("Peak memory", "peak memory", "bytes", (1024, 4096, None))
    assert [measure.share(number) for number in range(3)] == [0.25, 1.0, 0.0]
    assert [measure.text(number) for number in range(3)] == ["1.000 KiB", "4.000 KiB", "–"]


def result(model, rate, *, batch=1, status="ok"):
    configuration = Configuration(model, "1x32x32", "cpu", "A CPU", "eval", batch, "fp32", "nchw", False, False, 2)
    return Result("r", "2026-01-01T00:00:00+00:00", "here", configuration, status, images_per_s=rate)


def test_rates_are_the_newest_of_the_conditions_that_most_models_were_measured_under():
    models = [report_model("lenet"), report_model("lenet5")]
    results = [
        result("lenet", 900.0, batch=8),
        result("lenet", 9e9, status="implausible"),
        result("lenet", 100.0),
        result("lenet", 50.0),
        result("lenet5", 200.0),
    ]
    rate = measures(report_contents(*models, results=results), counted(*models))[3]
    assert (rate.title, rate.values) == ("Measured rate", (100.0, 200.0))
    assert rate.note == "A CPU, inference, batch 1, fp32, nchw"


def test_without_measurements_rates_are_those_predicted_for_the_device():
    from archbench.api.report import report

    contents = report(["lenet", "alexnet"], device="h200", store=None).contents
    contents = replace(contents, results=())
    rate = measures(contents, counted(*contents.models))[3]
    assert rate.title == "Predicted rate"
    for value, model in zip(rate.values, contents.models, strict=True):
        assert value == pytest.approx(1 / sum(row.time_s for row in model.roofline))
    assert published_devices()["h200"].title in rate.note


def claim(verdict):
    return Judged("C", "a lecture", "lenet", "", "params", "1", 2, verdict, "")


def test_the_sentence_on_claims_means_the_figures_that_differ():
    assert "agree within 5% with 2 of the 3 figures" in claims_sentence(
        [*map(claim, ("exact", "close", "contradicts"))]
    )
    assert "marked 'contradicts'" in claims_sentence([claim("contradicts")])
    # A reported error is shown and not judged.
    assert "the 1 figure that papers" in claims_sentence([claim("exact"), claim("shown")])


def test_the_page_begins_with_findings_and_ends_with_how_they_came_about():
    page = report_page(report_contents(report_model("lenet"), report_model("alexnet")))
    text = "".join(Reader(page).text)
    places = [text.index(part) for part in ("988 times LeNet's parameters", "Counted from one run", "This page loads")]
    assert places == sorted(places)
    assert text.index("Counted from one run") > text.index("Environment\n")
