from __future__ import annotations

import base64
import io
import json

import pytest
from PIL import Image

from archbench.errors import UsageError
from archbench.reporting.page.build import report_page
from archbench.reporting.page.training import read_run
from archbench.store.accuracy import Accuracy
from archbench.training.records import Epoch, Outcome, Prediction
from archbench.training.run_dir.files import write_outcome, write_predictions, write_rows
from archbench.training.run_dir.paths import RunFolder
from tests.helpers.chart_specs import run_record
from tests.helpers.pages import Reader, report_contents, report_model

MODELS = ("lenet", "lenet-wide")


def png(size=(4, 3)):
    packed = io.BytesIO()
    Image.new("RGBA", size, (200, 0, 0, 255)).save(packed, "PNG")
    return packed.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A run of two models, of which one has learned; as training writes it."""
    run = RunFolder(tmp_path)
    run.pictures.mkdir()
    run.run.write_text(json.dumps(run_record(MODELS, [0])))
    run.environment.write_text(json.dumps({"torch": "2.9", "flags": {"mkldnn": True}}))
    accuracies, epochs = [], []
    for model, top1, status in zip(MODELS, (0.75, 0.5), ("ok", "chance"), strict=True):
        epochs.append(Epoch(model, 0, 1, 5, 0.6, 0.5, top1, 1.0, 0.1, 100.0, 2.0, 0.55, top1, 1.0))
        accuracies.append(
            Accuracy(
                model, "digits", "1x32x32", 1.0, 1, top1, None, 0.2, 0.9, 1.0, 9, 9, 100.0, 2.0, status, 0.5, 1.0, None
            )
        )
        seed = run.seed(model, 0)
        seed.path.mkdir(parents=True)
        write_outcome(seed.outcome, Outcome(model, 0, status, "", 5, (), 0.5, top1, 1.0, 100.0, 2.0, None, 0.1))
        right = [Prediction(i, i % 2, (i % 2, 1 - i % 2), (0.9, 0.1)) for i in range(4)]
        write_predictions(seed.predictions, right)
    write_rows(run.accuracy, Accuracy, accuracies)
    write_rows(run.metrics, Epoch, epochs)
    for name in ("filters-lenet-conv1", "filters-lenet-wide-conv1", "training"):
        (run.pictures / f"{name}.png").write_bytes(png())
    return tmp_path


def test_filters_belong_to_the_model_whose_name_fits_most(folder):
    pictures = read_run(folder).pictures
    assert [(picture.model, picture.layer) for picture in pictures] == [("lenet", "conv1"), ("lenet-wide", "conv1")]
    kind, _, packed = pictures[0].uri.partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(packed))) as image:
        assert (image.size, image.mode, image.getpixel((0, 0))) == ((4, 3), "RGB", (200, 0, 0))


def test_a_run_is_shown_with_its_models_its_curves_and_its_circumstances(folder):
    page = Reader(report_page(report_contents(report_model("lenet"), run=read_run(folder))))
    data = page.data
    assert data["views"]["model-lenet-training"]["rows"] == [0]
    assert [row[0] for row in data["tables"]["training"]["rows"]] == list(MODELS)
    assert len(data["tables"]["epochs"]["rows"]) == 2
    descriptions = "".join(chart["description"] for chart in data["charts"].values())
    assert "Trained on digits, not CIFAR." in descriptions
    assert "Rows: the end of the first epoch at" in descriptions
    headings = [column["heading"] for column in data["tables"]["environment"]["columns"]]
    assert headings[-1].startswith("Trained: ")
    # One picture with its model, one of a model that has no section.
    shown = [attributes["alt"] for tag, attributes in page.elements if tag == "img"]
    assert shown == [f"Filters of conv1 of {model} before and after training" for model in MODELS]


def test_a_run_of_which_no_epoch_has_ended_has_no_table_of_epochs(folder):
    write_rows(RunFolder(folder).metrics, Epoch, [])
    page = Reader(report_page(report_contents(report_model("lenet"), run=read_run(folder))))
    assert "Epochs" not in "".join(page.text)
    # The script fills every place that it finds.
    assert set(page.all("data-view")) <= set(page.data["views"])


def test_a_sheet_of_predictions_is_shown_and_of_two_formats_the_one_that_can_be_dark(folder):
    svg = '<svg xmlns="http://www.w3.org/2000/svg"/>'
    (folder / "pictures" / "predictions-lenet-wide.png").write_bytes(png())
    (folder / "pictures" / "predictions-lenet-wide.svg").write_text(svg)
    pictures = read_run(folder).pictures
    assert [(picture.kind, picture.model, picture.layer) for picture in pictures][2:] == [
        ("predictions", "lenet-wide", "")
    ]
    kind, _, packed = pictures[2].uri.partition(",")
    assert (kind, base64.b64decode(packed).decode()) == ("data:image/svg+xml;base64", svg)
    page = Reader(report_page(report_contents(report_model("lenet"), run=read_run(folder))))
    assert "Test images with the predictions of lenet-wide" in page.all("alt")
    (folder / "pictures" / "predictions-lenet-wide.svg").write_text("no picture")
    with pytest.raises(UsageError, match=r"predictions-lenet-wide\.svg' is not a readable SVG"):
        read_run(folder)


def test_a_picture_that_is_none_is_told(folder):
    (folder / "pictures" / "filters-lenet-conv2.png").write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(UsageError, match=r"filters-lenet-conv2\.png' is not a readable PNG"):
        read_run(folder)


def test_a_damaged_record_of_circumstances_is_told(folder):
    (folder / "environment.json").write_text("{")
    with pytest.raises(UsageError, match=r"environment\.json' is damaged"):
        read_run(folder)
