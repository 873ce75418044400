"""An option that has no effect, or that lacks what it needs, is refused in every command alike."""

from __future__ import annotations

import pytest

# A command and its options, and what is expected instead.
REFUSED = [
    ("memory lenet --optimizer adam", "--optimizer adam requires --mode train"),
    ("memory lenet --optimizer-form fused", "--optimizer-form fused requires --mode train"),
    ("memory lenet --weight-decay 0.1", "--weight-decay 0.1 requires --mode train"),
    ("memory lenet --checkpoint 2", "--checkpoint 2 requires --mode train"),
    (
        "memory lenet --mode train --optimizer none --optimizer-form loop",
        "--optimizer-form loop requires an --optimizer",
    ),
    ("memory lenet --mode train --optimizer none --weight-decay 1", "--weight-decay 1 requires an --optimizer"),
    ("memory lenet --layout nhwc", "--layout nhwc requires a --device"),
    ("memory lenet --fit t4 --batch 4", "--fit t4 determines the batch"),
    ("memory lenet --layers --timeline", "--layers and --timeline"),
    ("estimate lenet --device a100 --optimizer adam", "--optimizer adam requires --mode train"),
    ("estimate lenet --device a100 --optimizer-form loop", "--optimizer-form loop requires --mode train"),
    ("estimate lenet --device a100 --checkpoint 2", "--checkpoint 2 requires --mode train"),
    ("estimate lenet --device a100 --epochs 3", "--epochs and --price require --dataset"),
    ("estimate lenet --device a100 --price 3", "--epochs and --price require --dataset"),
    ("estimate lenet --device a100 --interconnect 50GB", "requires several devices, such as --devices 8"),
    ("estimate lenet --device a100 --global-batch 64 --batch 8", "--global-batch 64 determines the batch"),
    ("estimate lenet --device a100 --layers --plans", "--layers shows one step"),
    ("estimate lenet --device a100 --layers --dataset cifar10", "--layers shows one step"),
    ("estimate lenet --device a100 --plans --devices 2 --dataset cifar10", "--plans shows one step"),
    ("compare lenet --store results.db", "--store results.db requires --measured, --trained or --published"),
    ("compare lenet --device a100", "--device a100 requires --published"),
    ("compare lenet --source a100", "--source a100 requires --published"),
    ("compare lenet --sweep size=32,64 --measured", "--measured has no effect with --sweep"),
    ("check lenet", "--max-params"),
    ("check lenet --update", "--update writes the file that --against names"),
    ("check lenet --update --against a.json --max-params 5M", "leave the limits out"),
    ("bench lenet --device cpu --graphs", "--graphs requires an NVIDIA GPU"),
    ("bench lenet --device cpu --dtype tf32", "--dtype tf32 requires an NVIDIA GPU"),
    ("bench lenet --phases", "requires --mode train"),
    ("bench lenet --max-slowdown 5%", "--max-slowdown 5% requires --versus MODEL"),
    ("bench lenet --versus lenet5 --rerun", "--versus stores nothing"),
    ("bench lenet --versus lenet5 --phases", "--versus stores nothing"),
    ("bench lenet --versus lenet5 --processes 2", "--versus stores nothing"),
    ("bench lenet --versus lenet5 --store a.db", "--versus stores nothing"),
    ("results --raw", "--format json"),
    ("results --published --status ok", "leave --status and --raw out"),
    ("results --limit 3 trainings", "--limit before 'trainings'"),
    ("train lenet --download", "--download has no effect on --data digits"),
    ("train lenet --data folder:x --download", "--download has no effect on --data folder:"),
    ("train lenet --epochs 1 --steps 1", "leave out all but one"),
    ("draw lenet --style volumes --depth 2", "--depth 2 requires --style blocks"),
    ("plot layers lenet --scale 2", "--scale 2 has no effect on"),
    ("plot layers lenet --format html --scale 2", "--scale 2 has no effect on"),
    ("plot layers lenet --mode train", "--mode has no effect on plot layers"),
    ("plot layers lenet --threshold 0.9", "--threshold has no effect on plot layers"),
    ("plot memory lenet --device a100", "--device has no effect on plot memory"),
    ("plot memory lenet --optimizer adam", "--optimizer adam requires --mode train"),
    ("plot accuracy lenet --batch 3", "--batch has no effect on plot accuracy"),
    ("summary lenet --csv a.csv --output b.csv", "leave the others out"),
]


@pytest.mark.parametrize(("command", "expected"), REFUSED)
def test_an_option_without_effect_is_refused_with_one_line(archbench, tmp_path, monkeypatch, command, expected):
    monkeypatch.chdir(tmp_path)
    code, out, err = archbench(*command.split())
    assert (code, out) == (2, "")
    assert expected in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["bench lenet", "profile lenet", "train lenet"])
def test_threads_are_refused_on_a_gpu(archbench, monkeypatch, command):
    for module in ("archbench.api.measuring", "archbench.api.train"):
        monkeypatch.setattr(f"{module}.device_name", lambda kind: "a GPU")
    code, _, err = archbench(*command.split(), "--device", "cuda", "--threads", "2")
    assert (code, err) == (2, "archbench: --threads 2 has no effect on cuda; it requires --device cpu\n")


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("memory lenet --fit 24", "24"),
        ("check lenet --max-peak-memory 24", "24"),
        ("check lenet --max-param-bytes 1.5", "1.5"),
        ("estimate lenet --device a100 --devices 2 --interconnect 50", "50"),
    ],
)
def test_a_size_without_a_unit_is_refused_with_units_that_it_may_have(archbench, command, number):
    code, out, err = archbench(*command.split())
    assert (code, out) == (2, "")
    assert f"'{number}' has no unit; write {number}GiB, {number}MiB or {number}B for bytes" in err


def test_check_updates_json_only(archbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = archbench("check", "lenet", "--against", "base.csv", "--update")
    assert (code, err) == (
        2,
        "archbench: --update writes JSON, and --against 'base.csv' is not a .json file; did you mean 'base.json'?\n",
    )
    assert archbench("check", "lenet", "--against", "base.json", "--update")[0] == 0
    assert archbench("check", "lenet", "--against", "base.json")[0] == 0
