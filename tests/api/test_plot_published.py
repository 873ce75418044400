"""`plot accuracy --published`, with real rows of timm's results in a real store."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

import archbench
from archbench.api.published import import_timm
from archbench.errors import UsageError
from tests.helpers.chart_specs import records, subtitle

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RATES_4090 = EXAMPLES / "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv"
RATES_5090 = EXAMPLES / "benchmark-infer-amp-nchw-pt291-cu130-5090-dynamo.csv"
TRAINING = EXAMPLES / "benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv"
ACCURACIES = EXAMPLES / "results-imagenet.csv"


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "results.sqlite"
    import_timm(RATES_4090, RATES_5090, TRAINING, ACCURACIES, store=path)
    return path


def shown(spec):
    """Return the points by model and image size."""
    rows = {id(rows): rows for rows in spec["datasets"].values() if rows and "top1" in rows[0]}
    return {(row["model"], row["img_size"]): row for each in rows.values() for row in each}


def test_all_imported_models_with_both_figures_are_drawn(store):
    points = shown(archbench.plot("accuracy", published=True, device="rtx4090", store=store).to_dict())
    # The files' rows: vgg16,224,512,2904.86 and vgg16.tv_in1k,224,71.594.
    vgg = points["vgg16", 224]
    assert (vgg["images_per_s"], vgg["top1"], vgg["weights"], vgg["batch"]) == (2904.86, 0.71594, "tv_in1k", 512)
    rates = {tuple(line.split(",")[:2]) for line in RATES_4090.read_text().splitlines()[1:]}
    accuracies = {(line.split(".")[0], line.split(",")[1]) for line in ACCURACIES.read_text().splitlines()[1:]}
    assert {(model, str(size)) for model, size in points} == rates & accuracies


def test_named_models_are_drawn_by_timm_s_name_or_the_same_architecture(store):
    models = ("torchvision:resnet50", "vgg16", "timm:convnext_tiny", "resnet18")
    spec = archbench.plot("accuracy", *models, published=True, device="rtx4090", store=store).to_dict()
    assert {model for model, _ in shown(spec)} == {"resnet50", "vgg16", "convnext_tiny", "resnet18"}


def test_patterns_stand_for_imported_models(store):
    options = {"published": True, "device": "rtx4090", "store": store}
    drawn = {
        pattern: {model for model, _ in shown(archbench.plot("accuracy", pattern, **options).to_dict())}
        for pattern in ("timm:VGG*", "vgg*", "torchvision:vgg*", "torchvision:vit_b_*")
    }
    assert drawn["timm:VGG*"] == drawn["vgg*"] == drawn["torchvision:vgg*"] >= {"vgg16"}
    assert all(model.startswith("vgg") for model in drawn["vgg*"])
    assert drawn["torchvision:vit_b_*"] == {"vit_base_patch16_224"}
    with pytest.raises(UsageError, match=r"nothing to plot: no published rate and accuracy .* for timm:nothing\*"):
        archbench.plot("accuracy", "timm:nothing*", **options)


def test_timm_s_tiny_test_models_are_drawn_only_if_named(store, tmp_path):
    for name, text in (
        (
            RATES_4090.name,
            "model,infer_img_size,infer_batch_size,infer_samples_per_sec\ntest_vit,160,9,9\nvgg16,224,9,9\n",
        ),
        (ACCURACIES.name, "model,img_size,top1,top5\ntest_vit.r160_in1k,160,41,66\nvgg16.tv_in1k,224,71,90\n"),
    ):
        (tmp_path / name).write_text(text)
        import_timm(tmp_path / name, store=store)
    options = {"published": True, "device": "rtx4090", "store": store}
    assert set(shown(archbench.plot("accuracy", **options).to_dict())) == {("vgg16", 224)}
    assert set(shown(archbench.plot("accuracy", "timm:test_vit", **options).to_dict())) == {("test_vit", 160)}


def test_rates_are_for_the_mode_and_the_source(store):
    spec = archbench.plot("accuracy", "vgg16", published=True, mode="train", store=store).to_dict()
    # The file's row: vgg16,546.06,702.994,384,224,138.36
    assert shown(spec)["vgg16", 224]["images_per_s"] == 546.06
    spec = archbench.plot("accuracy", published=True, source="dynamo", store=store).to_dict()
    assert RATES_5090.name in subtitle(spec).replace(" ", "")
    assert records(spec, "top1")


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        (
            (),
            {"device": "rtx409"},
            "no published rate of mode eval; there are for rtx4090, rtx5090; did you mean 'rtx4090'",
        ),
        ((), {"device": "rtx3090"}, "device='rtx3090' has no published rate of mode eval; there are for rtx4090"),
        ((), {"source": "pt250"}, "source='pt250' is not part of the name of an imported file; there are benchmark-"),
        (("alexnet",), {}, "nothing to plot: no published rate and accuracy at the same image size for alexnet$"),
        (("vgg61",), {}, "image size for vgg61; did you mean 'vgg16'?"),
        ((nn.Linear(4, 2),), {}, "stored by name; give timm:resnet50, not a Linear"),
    ],
)
def test_what_has_no_published_figures_is_refused(store, models, options, message):
    with pytest.raises(UsageError, match=message):
        archbench.plot("accuracy", *models, published=True, store=store, **options)


def test_without_imported_figures_the_command_that_imports_is_named(tmp_path):
    path = tmp_path / "results.sqlite"
    options = {"published": True, "store": path}
    with pytest.raises(UsageError, match="nothing published was imported yet; 'archbench results --import timm:FILE"):
        archbench.plot("accuracy", **options)
    import_timm(RATES_4090, store=path)
    with pytest.raises(UsageError, match=r"no published accuracy was imported; .* --import timm:results-imagenet.csv"):
        archbench.plot("accuracy", **options)
    import_timm(ACCURACIES, store=path)
    with pytest.raises(
        UsageError, match=r"no published rate of mode train was imported; .* timm:benchmark-train-….csv"
    ):
        archbench.plot("accuracy", mode="train", **options)


def test_the_command_notes_other_conditions_and_missing_models_and_exits_with_2_on_nothing(
    store, archbench, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    options = ("plot", "accuracy", "--published", "--store", str(store))
    assert archbench(*options, "alexnet", "vgg16") == (
        0,
        "",
        f"published rates are those of {RATES_5090.name}; others: --device rtx4090\n"
        "without a published rate and accuracy at the same image size: alexnet\nwrote accuracy.svg\n",
    )
    svg = Path("accuracy.svg").read_text()
    assert ">vgg16<" in svg
    for more in (("alexnet",), ("--device", "h200"), ("--source", "x9"), ("--dtype", "fp32")):
        code, out, err = archbench(*options, *more)
        assert (code, out, err.count("\n")) == (2, "", 1)
    assert (
        archbench("plot", "accuracy", "--device", "rtx4090")[2] == "archbench: --device rtx4090 requires --published\n"
    )
    assert archbench("plot", "layers", "lenet", "--published")[0] == 2
