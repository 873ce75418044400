"""What the tests of charts share: the parts of a Vega-Lite specification, and records to draw."""

from __future__ import annotations

import json
from dataclasses import replace

from archbench.store.accuracy import Accuracy
from archbench.store.records import Configuration, Result
from archbench.training.records import Epoch
from archbench.training.run_dir.files import write_rows


def parts(spec):
    """Yield a specification and all that it is put together of."""
    yield spec
    for group in ("layer", "concat", "hconcat", "vconcat"):
        for part in spec.get(group, ()):
            yield from parts({"data": spec.get("data"), **part})


def records(spec, field):
    """Return the data set that has a field, the first one that is drawn."""
    for part in parts(spec):
        rows = spec["datasets"].get((part.get("data") or {}).get("name"), [])
        if rows and field in rows[0]:
            return rows
    raise AssertionError(f"nothing has the field {field}")


def encodings(spec):
    """Yield each part's encoding."""
    for part in parts(spec):
        if "encoding" in part:
            yield part["encoding"]


def axis_titles(spec):
    """Return the titles that axes are given."""
    positions = [each for encoding in encodings(spec) for name, each in encoding.items() if name in ("x", "y")]
    axes = [(each.get("axis") or {}).get("title") or each.get("title") for each in positions]
    return {title for title in axes if title}


def subtitle(spec):
    """Return what stands below the title as one line."""
    return " ".join(spec["title"]["subtitle"])


def epoch(model, seed, number, *, loss=1.0, top1=0.5, elapsed_s=None):
    """Return the end of one epoch, of 10 steps and 2 seconds each."""
    time_s = 2.0 * number if elapsed_s is None else elapsed_s
    return Epoch(
        model, seed, number, 10 * number, loss, None, None, None, 0.01, 100.0, time_s, loss + 0.1, top1, top1 / 2 + 0.5
    )


def run_record(models, seeds):
    """Return what `run.json` says, of data that two classes share and that has four test images."""
    return {
        "asked": {},
        "plan": {"models": list(models), "seeds": list(seeds), "data": "digits", "recipe": "equal", "dtype": "fp32"},
        "data": {
            "name": "digits",
            "caveat": "digits, not CIFAR",
            "classes": ["0", "1"],
            "shape": [1, 8, 8],
            "mean": [0.5],
            "std": [0.25],
            "digest": "d",
            "images": {"train": 20, "validation": 4, "test": 4},
        },
    }


def accuracy(model, top1, *, macs=1_000_000, params=60_000, low=None, high=None, status="ok", seeds=3):
    """Return what a model came to."""
    return Accuracy(
        *(model, "digits", "1x32x32", 5.0, seeds, top1, 0.01, low, high, 0.9, params, macs, 100.0, 10.0, status),
        chance_top1=0.1,
        chance_top5=0.5,
        peak_bytes=None,
    )


def result(model, batch, images_per_s, *, day=1, machine="here", setting=None, latencies_s=(), status="ok", **more):
    """Return what measuring a model gave, with an interval of 2% to both sides; `setting` is what else was set."""
    device, dtype, mode = more.pop("device", "NVIDIA H200"), more.pop("dtype", "bf16"), more.pop("mode", "eval")
    what = Configuration(model, "3x224x224", "cuda", device, mode, batch, dtype, "nhwc", False, False, 0)
    return Result(
        run_id=f"{model}-{batch}-{dtype}-{mode}-{day}-{machine}",
        started_at=f"2026-11-{day:02}T12:00:00+00:00",
        machine=machine,
        configuration=replace(what, **(setting or {})),
        status=status,
        images_per_s=images_per_s,
        images_per_s_low=None if images_per_s is None else 0.98 * images_per_s,
        images_per_s_high=None if images_per_s is None else 1.02 * images_per_s,
        latencies_s=latencies_s,
        **more,
    )


def write_run(folder):
    """Write the folder of a run of two models and two seeds, and return it."""
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(run_record(["lenet", "alexnet_owt"], [0, 1])))
    epochs = [
        epoch(model, seed, number, top1=0.3 * number)
        for model in ("lenet", "alexnet_owt")
        for seed in (0, 1)
        for number in (1, 2, 3)
    ]
    write_rows(folder / "metrics.csv", Epoch, epochs)
    rows = [accuracy("lenet", 0.94, low=0.92, high=0.95), accuracy("alexnet_owt", 0.9, macs=80_000_000)]
    write_rows(folder / "accuracy.csv", Accuracy, rows)
    return folder
