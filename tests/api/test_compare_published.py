"""`compare --published`: real rows of timm's results, imported into a real store, beside counted columns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archbench
from archbench.api.published import import_timm

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RATES_4090 = EXAMPLES / "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv"
RATES_5090 = EXAMPLES / "benchmark-infer-amp-nchw-pt291-cu130-5090-dynamo.csv"
TRAINING = EXAMPLES / "benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv"
ACCURACIES = EXAMPLES / "results-imagenet.csv"
NAMES = "device dtype layout compiled torch batch images_per_s source top1 weights".split()
NONE = [None] * len(NAMES)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "results.sqlite"
    import_timm(RATES_4090, RATES_5090, TRAINING, ACCURACIES, store=path)
    return path


def published(store, *models, **options):
    rows = archbench.compare(list(models), published=True, store=store, **options).to_dict()
    return [[row[f"published_{name}"] for name in NAMES] for row in rows]


def test_models_have_the_published_figures_of_the_same_architecture(store):
    # The files' rows: vgg16,224,512,2904.86 and resnet50,224,512,5088.39; the accuracies at 224 pixels are 71.594%, and
    # 81.146% of the weights fb_swsl_ig1b_ft_in1k.
    conditions = ["rtx4090", "amp-fp16", "nhwc", False, "2.4.0", 512]
    vgg = [*conditions, 2904.86, RATES_4090.name, 0.71594, "tv_in1k"]
    resnet = [*conditions, 5088.39, RATES_4090.name, 0.81146, "fb_swsl_ig1b_ft_in1k"]
    models = ("vgg16", "torchvision:vgg16", "torchvision:resnet50", "alexnet", "vgg16@10")
    assert published(store, *models, device="rtx4090") == [vgg, vgg, resnet, NONE, NONE]


def test_rate_and_accuracy_are_for_the_image_size_that_was_counted(store):
    # The file's row: resnet50,288,512,3001.95; the best weights at 288 pixels are a1_in1k with 81.240%.
    (row,) = published(store, "torchvision:resnet50", inputs="3x288x288", device="rtx4090")
    assert row[6:] == [3001.95, RATES_4090.name, 0.8124, "a1_in1k"]
    for inputs in ("3x200x200", "3x224x288"):
        assert published(store, "torchvision:resnet50", inputs=inputs) == [NONE]


def test_rates_are_for_the_mode(store):
    # The file's row: vgg16,546.06,702.994,384,224,138.36
    row = published(store, "vgg16", mode="train")[0]
    assert row[:7] == ["rtx3090", "amp-fp16", "nhwc", False, "1.12", 384, 546.06]


def test_all_rates_are_of_the_file_with_most_models_then_the_fastest(store, archbench):
    assert [row[0] for row in published(store, "vgg16", "torchvision:resnet50")] == ["rtx5090", "rtx5090"]
    assert [row[0] for row in published(store, "vgg16", source="nhwc-pt240")] == ["rtx4090"]
    err = archbench("compare", "vgg16", "--published", "--store", str(store))[2]
    assert err == f"published rates are those of {RATES_5090.name}; others: --device rtx4090\n"


def test_other_conditions_of_a_device_are_named(store, archbench, tmp_path):
    other = tmp_path / RATES_4090.name.replace("nhwc", "nchw")
    other.write_text("model,infer_img_size,infer_batch_size,infer_samples_per_sec\nvgg16,224,256,9999\n")
    import_timm(other, store=store)
    err = archbench("compare", "vgg16", "--published", "--device", "rtx4090", "--store", str(store))[2]
    assert err == f"published rates are those of {other.name}; others: --source {RATES_4090.name}\n"
    # nchw is faster for one model, nhwc has more of two.
    assert [row[2] for row in published(store, "vgg16", "torchvision:vgg19", device="rtx4090")] == ["nhwc", "nhwc"]


def test_a_device_or_source_without_rates_is_refused_with_the_choices(store):
    for options, message in (
        (
            {"device": "rtx409"},
            "device='rtx409' has no published rate of mode eval; there are for rtx4090, rtx5090; did",
        ),
        ({"device": "rtx3090"}, "'rtx3090' has no published rate of mode eval; there are for rtx4090, rtx5090"),
        ({"source": "pt250"}, f"source='pt250' is not part of .*; there are {RATES_5090.name}, {RATES_4090.name}"),
    ):
        with pytest.raises(archbench.UsageError, match=message):
            archbench.compare("vgg16", published=True, store=store, **options)
    with pytest.raises(archbench.UsageError, match="device='rtx4090' requires published=True"):
        archbench.compare("vgg16", device="rtx4090", store=store)


def test_published_columns_stand_beside_measured_ones_and_leave_them_empty(store, archbench):
    options = ("compare", "vgg16", "--store", str(store), "--published", "--measured", "--format", "json")
    code, out, _ = archbench(*options)
    (row,) = json.loads(out)
    assert code == 0
    assert (row["images_per_s"], row["device"]) == (None, None)
    assert row["published_images_per_s"] == 5358.29
    plain = json.loads(archbench("compare", "vgg16", "--format", "json")[1])
    assert not any(name.startswith("published") for name in plain[0])


def test_the_table_states_the_conditions(store):
    text = str(archbench.compare("vgg16", published=True, device="rtx4090", store=store))
    assert "published by timm, not measured here: rtx4090, eval, amp-fp16, nhwc, torch 2.4.0." in " ".join(text.split())


@pytest.mark.parametrize("device", [[], ["--device", "rtx4090"]])
def test_with_nothing_imported_a_note_says_how(archbench, tmp_path, device):
    code, out, err = archbench("compare", "lenet", "--published", *device, "--store", str(tmp_path / "none.sqlite"))
    assert (code, err.count("\n")) == (0, 1)
    assert "'archbench results --import timm:FILE.csv'" in err
    assert "lenet" in out
    assert not (tmp_path / "none.sqlite").exists()


def test_with_nothing_that_matches_a_note_says_how(archbench, store):
    code, out, err = archbench("compare", "lenet", "--published", "--store", str(store))
    assert (code, err.count("\n")) == (0, 1)
    assert "'archbench results --import timm:FILE.csv'" in err
    assert "lenet" in out
