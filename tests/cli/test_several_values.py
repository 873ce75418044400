"""Several batches, devices and models where a table has several rows; elsewhere one line names the command for it."""

from __future__ import annotations

import csv
import io

import pytest

import archbench as api
from archbench.errors import UsageError


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_compare_has_a_row_per_model_and_batch(archbench):
    code, out, _ = archbench("compare", "lenet", "lenet5", "--batch", "1,8", "--format", "csv")
    rows = rows_of(out)
    assert code == 0
    assert [(row["model"], row["batch"]) for row in rows] == [
        ("lenet", "1"), ("lenet", "8"), ("lenet5", "1"), ("lenet5", "8"),
    ]  # fmt: skip
    # 416,520 MACs per sample.
    assert [int(row["macs"]) for row in rows[:2]] == [416_520, 8 * 416_520]
    assert {row["input_shape"] for row in rows[:2]} == {"1x32x32"}
    assert len({row["params"] for row in rows[:2]}) == 1


def test_compare_of_several_batches_names_the_row_that_ratios_refer_to(archbench):
    lines = archbench("compare", "lenet", "--batch", "1..4")[1].splitlines()
    assert lines[0] == "eval, ratios to lenet at batch 1"
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["Model", "Batch"],
        ["lenet", "1"],
        ["lenet", "2"],
        ["lenet", "4"],
    ]
    lines = archbench("compare", "lenet", "lenet5", "--batch", "1,2", "--baseline", "lenet5")[1].splitlines()
    assert lines[0] == "eval, ratios to lenet5 at batch 1"


def test_one_batch_has_no_column_of_its_own(archbench):
    assert "batch" not in rows_of(archbench("compare", "lenet", "--batch", "8", "--format", "csv")[1])[0]


def test_compare_takes_several_batches_in_python():
    assert [summary.batch for summary in api.compare("lenet", batch=[1, 8]).summaries] == [1, 8]


def test_tensors_have_one_batch():
    import torch

    with pytest.raises(UsageError, match=r"batch=\[1, 8\] has no effect on tensors"):
        api.compare("lenet", torch.empty(2, 1, 32, 32), batch=[1, 8])


def test_estimate_takes_devices_in_one_option_or_several(archbench):
    command = ("estimate", "lenet", "lenet5", "--batch", "1,8", "--format", "csv")
    listed = archbench(*command, "--device", "a100,h100")
    assert listed[0] == 0
    assert listed == archbench(*command, "--device", "a100", "--device", "h100")
    rows = rows_of(listed[1])
    assert [(row["model"], row["device"], row["batch"]) for row in rows] == [
        (model, device, batch) for model in ("lenet", "lenet5") for device in ("a100", "h100") for batch in ("1", "8")
    ]


ONE = [
    ("summary lenet vgg11", "'archbench compare' takes several models"),
    ("explain lenet conv1 vgg11", "'archbench compare' takes several models"),
    ("check lenet vgg11", "'archbench compare' takes several models"),
    ("profile lenet vgg11", "'archbench bench' takes several models"),
    ("diff lenet lenet5 vgg11", "'archbench compare' takes several models"),
    ("costs vgg11", "costs takes no more arguments, but got 'vgg11'"),
    ("plot memory lenet lenet5", "plot memory takes exactly one model, got 2"),
    *(
        (f"{command} --batch 1,8", "'1,8' is more than one batch size; several are taken by compare, memory,")
        for command in (
            "summary lenet",
            "explain lenet",
            "profile lenet",
            "check lenet",
            "diff lenet lenet5",
            "results",
        )
    ),
    ("memory lenet --device a100,h100", "takes one device, not 2; estimate takes several"),
    ("report lenet --device a100,h100", "takes one device, not 2; estimate takes several"),
    ("plot roofline lenet --device a100,h100", "takes one device, not 2; estimate takes several"),
    ("estimate lenet --device a100,h10", "unknown device 'h10'; did you mean 'h100'?"),
    ("compare lenet --batch 1,8 --depth 1", "--depth 1 shows the modules of one --batch"),
    ("compare lenet --batch 1,8 --sweep size=32,64", "--sweep takes one batch, not --batch 1,8"),
    ("memory lenet --batch 1,8 --layers", "--layers shows a single row, not 2"),
]


@pytest.mark.parametrize(("command", "expected"), ONE)
def test_a_command_that_takes_one_value_names_one_that_takes_several(archbench, command, expected):
    code, out, err = archbench(*command.split())
    assert (code, out) == (2, "")
    assert expected in err
    assert err.count("\n") == 1


def test_the_layers_of_an_estimate_keep_the_doubts_of_the_estimate(archbench):
    plain = api.estimate("lenet", "a100").to_table().doubts
    assert len(plain) == 2
    assert api.estimate("lenet", "a100").layers.to_table().doubts == plain
    assert (
        "By default torch runs convolutions in TF32"
        in archbench("estimate", "lenet", "--device", "a100", "--layers")[1]
    )
