"""Result files of timm. The examples are rows of huggingface/pytorch-image-models, folder results (Apache-2.0)."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from archbench.errors import InputError
from archbench.store.timm_results import read_timm_results

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RATES = EXAMPLES / "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv"
ACCURACIES = EXAMPLES / "results-imagenet.csv"


def written(tmp_path, text, name=RATES.name):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_rates_have_the_numbers_of_their_row_and_the_conditions_of_their_file():
    (rate,) = [rate for rate in read_timm_results(RATES) if rate.model == "vgg16"]
    # The file's row: vgg16,224,512,2904.86,176.241,15.47,13.56,138.36
    assert asdict(rate) == {
        "source": RATES.name,
        "model": "vgg16",
        "kind": "cuda",
        "device": "rtx4090",
        "mode": "eval",
        "dtype": "amp-fp16",
        "layout": "nhwc",
        "compiled": False,
        "torch": "2.4.0",
        "img_size": 224,
        "batch": 512,
        "images_per_s": 2904.86,
    }


def test_accuracies_are_fractions_with_the_weights_apart_from_the_architecture():
    (vgg,) = [figure for figure in read_timm_results(ACCURACIES) if figure.model == "vgg16"]
    # The file's row: vgg16.tv_in1k,224,71.594,28.406,90.398,9.602,138.36
    assert (vgg.weights, vgg.img_size, vgg.top1, vgg.top5) == ("tv_in1k", 224, 0.71594, 0.90398)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("infer-amp-nchw-pt291-cu130-5090-dynamo", ("cuda", "rtx5090", "eval", "amp-fp16", "nchw", True, "2.9.1")),
        ("infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo", ("cpu", "i9_10940x", "eval", "fp32", "nchw", True, "2.4.0")),
        ("infer-amp-nhwc-pt113-cu117-rtx3090", ("cuda", "rtx3090", "eval", "amp-fp16", "nhwc", False, "1.13")),
        ("train-amp-nchw-pt112-cu113-rtx3090", ("cuda", "rtx3090", "train", "amp-fp16", "nchw", False, "1.12")),
        ("infer-amp_bf16-nchw-pt291-cu130-pro6000maxq", ("cuda", "pro6000maxq", "eval", "amp", "nchw", False, "2.9.1")),
        ("infer-bf16-nchw-pt2100-cu130-h100-pcie", ("cuda", "h100-pcie", "eval", "bf16", "nchw", False, "2.10.0")),
        # timm's benchmark allows TF32.
        ("infer-fp32-nhwc-pt240-cu124-rtx4090", ("cuda", "rtx4090", "eval", "tf32", "nhwc", False, "2.4.0")),
    ],
)
def test_the_conditions_stand_in_the_name_of_a_file(tmp_path, name, expected):
    run = name.split("-")[0]
    # The columns of a training file stand in another order, and other columns may be there.
    header = f"model,{run}_samples_per_sec,{run}_step_time,{run}_batch_size,{run}_img_size,param_count"
    path = written(tmp_path, f"{header}\nvgg16,100.5,1,2,224,138.36\n", f"benchmark-{name}.csv")
    (rate,) = read_timm_results(path)
    assert (rate.kind, rate.device, rate.mode, rate.dtype, rate.layout, rate.compiled, rate.torch) == expected
    assert (rate.images_per_s, rate.batch, rate.img_size) == (100.5, 2, 224)


@pytest.mark.parametrize(
    "name",
    [
        "rates.csv",
        "model_benchmark_amp_nchw_rtx3090.csv",
        "results-imagenet-a.csv",
        "benchmark-infer-amp-nhwc-pt240-cu124.csv",
        "benchmark-infer-amp-nhwc-pt240-cpu-dynamo.csv",
        "benchmark-infer-amp-pt240-cu124-rtx4090.csv",
        "benchmark-infer-int8-nhwc-pt240-cu124-rtx4090.csv",
        f"{RATES.name}.txt",
    ],
)
def test_a_name_without_the_conditions_is_refused_with_what_is_expected(tmp_path, name):
    shutil.copy(RATES, tmp_path / name)
    with pytest.raises(InputError, match="expected a name such as benchmark-infer-amp-nhwc"):
        read_timm_results(tmp_path / name)


HEADER = "model,infer_img_size,infer_batch_size,infer_samples_per_sec"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the columns model, infer_img_size, infer_batch_size, infer_samples_per_sec"),
        ("model,layer,macs\nvgg16,conv1,3\n", "lacks the columns infer_img_size"),
        (f"{HEADER}\n", "has no rows"),
        (f"{HEADER}\nvgg16,224,512,100\nvgg19,224,512,fast\n", "line 3: infer_samples_per_sec is 'fast', expected a"),
        (f"{HEADER}\nvgg16,224,512,nan\n", "'nan', expected a number above 0"),
        (f"{HEADER}\nvgg16,224,512,inf\n", "'inf', expected a number above 0"),
        (f"{HEADER}\nvgg16,224,512,-1\n", "'-1', expected a number above 0"),
        (f"{HEADER}\nvgg16,224,1.5,100\n", "infer_batch_size is '1.5', expected a whole number from 1"),
        (f"{HEADER}\nvgg16,224,512\n", "line 2: infer_samples_per_sec is '', expected a number"),
        (f"{HEADER}\n,224,512,100\n", "model is '', expected a name"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "not UTF-8 text"),
        (f'{HEADER}\n"vgg16' + "x" * 200_000, "is not a CSV file: field larger than"),
        (RATES.read_text().replace("infer_", "train_"), "lacks the columns infer_img_size"),
    ],
)
def test_a_file_with_other_content_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_timm_results(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_percentage_above_100_is_refused(tmp_path):
    path = written(tmp_path, "model,img_size,top1,top5\nvgg16.a,224,715.94,90\n", ACCURACIES.name)
    with pytest.raises(InputError, match="expected a number above 0, at most 100"):
        read_timm_results(path)


def test_folders_and_missing_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_timm_results(tmp_path / RATES.name)
    (tmp_path / RATES.name).mkdir()
    with pytest.raises(InputError, match="is not a file"):
        read_timm_results(tmp_path / RATES.name)


def test_marks_of_spreadsheets_are_accepted(tmp_path):
    # A byte order mark, CRLF and commas between thousands.
    path = written(tmp_path, f'\ufeff{HEADER}\r\nvgg16,224,512,"12,904.86"\r\n')
    assert [rate.images_per_s for rate in read_timm_results(path)] == [12904.86]
