"""`archbench.plot`: the charts of the command as Altair charts."""

from __future__ import annotations

import sys

import pytest
from torch import empty, nn

import archbench
from archbench.errors import UsageError
from archbench.reporting.charts.catalogue import KINDS
from archbench.store.database import Store
from archbench.training.records import Prediction
from archbench.training.run_dir.files import write_predictions
from archbench.training.run_dir.paths import RunFolder, make_folder
from tests.helpers.chart_specs import axis_titles, records, result, subtitle, write_run


def test_plot_layers_takes_modules_and_addresses_and_prints_nothing(capfd):
    model = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 3))
    chart = archbench.plot("layers", model, inputs=empty(1, 4))
    bars = records(chart.to_dict(), "params_share")
    # 4 * 2 + 2 = 10 and 2 * 3 + 3 = 9 parameters, 8 and 6 MACs
    assert [(bar["model"], bar["layer"], bar["params"], bar["macs"]) for bar in bars] == [
        ("Sequential", "0", 10, 8),
        ("Sequential", "1", 9, 6),
    ]
    assert capfd.readouterr() == ("", "")


def test_plot_layers_tells_modules_of_one_class_apart():
    models = [nn.Linear(4, size) for size in (2, 3)]
    spec = archbench.plot("layers", *models, inputs=empty(1, 4)).to_dict()
    assert [panel["title"]["text"].partition(":")[0] for panel in spec["vconcat"]] == ["Linear", "Linear (2)"]


def test_plot_options_have_the_commands_defaults():
    spec = archbench.plot("memory", "lenet", mode="train", batch=2, width=300, height=200).to_dict()
    assert spec["title"]["text"].startswith("LeNet: peak ")
    assert subtitle(spec).startswith("Memory, train, batch 2, fp32, momentum, operator by operator.")
    assert (spec["width"], spec["height"]) == (300, 200)
    assert "Rate (FLOP/s)" in axis_titles(archbench.plot("roofline", "lenet", device="h200").to_dict())


def test_plot_throughput_reads_the_store(tmp_path):
    path = tmp_path / "results.sqlite"
    with Store(path) as store:
        store.add(result("vgg16", 8, 600.0))
    assert "NVIDIA H200" in subtitle(archbench.plot("throughput", "vgg16", store=path).to_dict())
    with pytest.raises(UsageError, match="stored by address; give one such as vgg16, not a Linear"):
        archbench.plot("throughput", nn.Linear(4, 2), store=path)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("layres", {}, r"kind='layres' is not one of layers, .*; did you mean 'layers'\?"),
        (
            "layers",
            {"device": "h200"},
            "device has no effect on plot layers; it is for roofline, modules, accuracy, rates, throughput, latency",
        ),
        ("memory", {"optimizer": "adam"}, "optimizer='adam' requires mode='train'"),
        ("memory", {"optimizer": "adan", "mode": "train"}, "did you mean 'adam'"),
        ("memory", {"width": 5}, "width=5 is out of range"),
        ("roofline", {}, "plot roofline requires device, such as h200"),
    ],
)
def test_plot_refuses_bad_use_in_pythons_terms(kind, options, message):
    with pytest.raises(UsageError, match=message):
        archbench.plot(kind, "lenet", **options)


@pytest.mark.slow
def test_plot_takes_a_training_run_or_its_folder(tmp_path):
    folder = write_run(tmp_path / "run")
    for kind in ("training", "time", "accuracy"):
        charts = [archbench.plot(kind, what).to_dict() for what in (folder, str(folder), archbench.load_run(folder))]
        assert charts[0]["description"] == charts[1]["description"] == charts[2]["description"]
        assert "digits, not CIFAR" in charts[0]["description"]


def test_plot_history_takes_nothing_and_has_the_rows_of_history():
    drawn = records(archbench.plot("history").to_dict(), "top5_error_percent")
    rows = [row for row in archbench.history().rows if row.year is not None]
    assert [(row["entry"], row["top5_error_percent"]) for row in drawn] == [
        (row.entry, row.top5_error_percent) for row in rows
    ]
    with pytest.raises(UsageError, match="plot history takes no model, got 1"):
        archbench.plot("history", "vgg16")


def test_plot_confusion_counts_the_predictions_of_a_run(tmp_path):
    folder = write_run(tmp_path / "run")
    with pytest.raises(UsageError, match=r"no training of '.*run' has predictions.csv"):
        archbench.plot("confusion", folder)
    # Four test images of two classes, each recognised.
    answers = [Prediction(i, i % 2, (i % 2, 1 - i % 2), (0.9, 0.1)) for i in range(4)]
    seed = RunFolder(folder).seed("lenet", 0)
    make_folder(seed.path)
    write_predictions(seed.predictions, answers)
    spec = archbench.plot("confusion", str(folder)).to_dict()
    cells = {(cell["label"], cell["seen"]): cell["count"] for cell in records(spec, "seen")}
    assert cells == {("0", "0"): 2, ("1", "1"): 2}
    assert spec["title"]["text"] == "lenet recognises every test image"


def test_plot_refuses_a_threshold_that_is_not_a_fraction():
    with pytest.raises(UsageError, match="threshold=90 is not an accuracy"):
        archbench.plot("time", ".", threshold=90)


def test_every_option_of_a_kind_is_a_parameter_of_plot():
    parameters = archbench.plot.__annotations__
    assert {option for kind in KINDS.values() for option in kind.options} <= parameters.keys()


def test_plot_and_report_name_the_missing_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    for job in (lambda: archbench.plot("layers", "lenet"), lambda: archbench.report("lenet").html):
        with pytest.raises(UsageError, match="charts need altair"):
            job()


def test_plot_compare_and_diff_take_modules_and_options():
    small, large = nn.Linear(4, 2), nn.Linear(4, 3)
    spec = archbench.plot("compare", small, large, inputs="4", batch=2, mode="train").to_dict()
    # 4 * 3 + 3 = 15 against 4 * 2 + 2 = 10 parameters; MACs 12 against 8
    assert spec["title"]["text"] == "Linear (2) against Linear: 1.50× the parameters, 1.50× the MACs"
    assert "a batch of 2; peak memory is that of a training step" in subtitle(spec)
    assert {row["name"] for row in records(archbench.plot("diff", small, large, inputs=empty(1, 4)).to_dict(), "name")}


@pytest.mark.parametrize(
    ("kind", "models", "message"),
    [
        ("compare", ["lenet"], "plot compare takes at least two models, such as alexnet vgg16"),
        ("compare", [], "plot compare takes at least two models, such as alexnet vgg16"),
        ("diff", ["lenet"], "plot diff takes exactly two models, got 1"),
    ],
)
def test_plot_compare_and_diff_say_how_many_models_they_take(kind, models, message):
    with pytest.raises(UsageError, match=message):
        archbench.plot(kind, *models)
