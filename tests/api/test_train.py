"""`archbench.train`, `load_run` and `predict` as a notebook calls them, on trainings of a few steps."""

from __future__ import annotations

import json
import logging
import os
import shutil

import pytest
import torch
from PIL import Image
from torch import nn

import archbench
from archbench.files import plain_name

pytestmark = pytest.mark.slow


class Recorder(archbench.Progress):
    """Records the progress of a training."""

    def __init__(self) -> None:
        self.calls = []

    def start(self, total, done=0):
        self.calls.append(("start", total, done))

    def begin(self, task, steps=None, done=0):
        self.calls.append(("begin", task, steps, done))

    def update(self, text="", step=None):
        self.calls.append(("update", step))

    def end(self, result):
        self.calls.append(("end", result.status))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one model with one seed, five steps, with its progress, and the global state before and after."""
    place = tmp_path_factory.mktemp("train")
    progress = Recorder()
    torch.manual_seed(3)
    before = torch.get_rng_state(), torch.get_num_threads()
    run = archbench.train(
        "lenet", steps=5, seeds=1, threads=2, out=place / "run", store=place / "store.sqlite", progress=progress
    )
    return run, progress, before, (torch.get_rng_state(), torch.get_num_threads())


@pytest.fixture
def run(trained):
    return trained[0]


def test_train_returns_the_records_of_the_run_folder(run):
    (accuracy,) = run.accuracies
    (epoch,) = run.epochs
    assert (accuracy.model, accuracy.seeds, accuracy.top1_mean) == ("lenet", 1, epoch.top1)
    assert (epoch.step, epoch.model) == (5, "lenet")
    assert run.path.joinpath("accuracy.csv").exists()
    assert run.caveats == ("digits, not CIFAR",)


def test_train_shows_the_table_of_the_command(archbench, run):
    code, out, _ = archbench("train", "--resume", str(run.path))
    assert code == 0
    assert str(run).startswith(out.rstrip("\n"))
    assert "lenet" in repr(run)
    assert "\n" not in repr(run)


def test_train_gives_frames_and_records(run):
    (record,) = run.to_dict()
    assert record["model"] == "lenet"
    assert list(run.to_frame()["top1_mean"]) == [record["top1_mean"]]


def test_train_reports_progress_and_prints_nothing(trained, tmp_path, capsys):
    _, progress, *_ = trained
    assert progress.calls == [
        ("start", 1, 0),
        ("begin", "lenet, seed 0", 5, 0),
        *(("update", step) for step in range(1, 6)),
        ("update", None),
        ("end", "ok" if trained[0].accuracies[0].status == "ok" else "chance"),
    ]
    archbench.load_run(trained[0].path)
    assert capsys.readouterr() == ("", "")


def test_train_leaves_threads_and_random_numbers_as_they_were(trained):
    *_, (random_before, threads_before), (random_after, threads_after) = trained
    assert torch.equal(random_before, random_after)
    assert threads_before == threads_after != 2


def test_train_lets_cudnn_choose_algorithms_as_bench_does_and_records_it(tmp_path):
    flags = []

    class Watcher(archbench.Progress):
        def begin(self, task, steps=None, done=0):
            flags.append(torch.backends.cudnn.benchmark)

    before = torch.backends.cudnn.benchmark
    run = archbench.train(
        "lenet", steps=1, seeds=1, out=tmp_path / "run", store=tmp_path / "store.sqlite", progress=Watcher()
    )
    assert flags == [True]
    assert torch.backends.cudnn.benchmark == before
    recorded = json.loads((run.path / "environment.json").read_text())
    assert recorded["flags"]["cudnn.benchmark"] is True


def test_train_resumes_as_begun_or_not_at_all(run):
    assert archbench.train(resume=run.path).accuracies == run.accuracies
    with pytest.raises(archbench.UsageError, match="seeds was 1, now 2"):
        archbench.train(resume=run.path, seeds=2)
    with pytest.raises(archbench.UsageError, match="leave out out="):
        archbench.train(resume=run.path, out="elsewhere")


def test_train_calls_confirm_before_anything_is_written(tmp_path, caplog):
    def refuse():
        raise InterruptedError("no")

    caplog.set_level(logging.INFO, logger="archbench")
    with pytest.raises(InterruptedError):
        archbench.train("lenet", steps=1, seeds=1, out=tmp_path / "run", confirm=refuse)
    assert not (tmp_path / "run").exists()
    assert "in all, 1 seed each: lenet" in caplog.text


@pytest.mark.parametrize("models", [nn.Linear(2, 2), ["lenet", nn.Linear(2, 2)]])
def test_train_needs_addresses_because_a_fresh_process_builds_the_model(models):
    with pytest.raises(TypeError, match=r"train takes an address such as .* not a Linear.* in a new process"):
        archbench.train(models)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "papr"}, "recipe='papr' is not one of equal, paper, lecture; did you mean 'paper'?"),
        ({"epochs": 1, "steps": 2}, "epochs and steps all set the length of the training"),
        ({"minutes": 0}, "minutes=0 is not a valid length; give a number above 0"),
        ({"size": "big"}, "size='big' is not auto or a whole number above 0"),
        ({"seeds": 0}, "seeds=0 is not a whole number above 0"),
        ({"device": "gpu"}, "device='gpu' is not one of cpu, cuda, mps"),
        ({"dtype": "tf32", "device": "cpu"}, "dtype='tf32' requires an NVIDIA GPU"),
        ({"layout": "nwhc"}, "layout='nwhc' is not one of nchw, nhwc; did you mean 'nhwc'?"),
        ({"augment": "crp"}, "augment='crp' is not none, or any of crop, flip, color"),
        ({"vary": ["activation"]}, "vary='activation' names no values"),
        ({"data": "digts"}, "data='digts' is not one of digits,"),
        ({"batch": 5000}, "batch=5000 is more than the 1293 training images"),
    ],
)
def test_train_names_the_argument_that_is_wrong(arguments, message, tmp_path):
    with pytest.raises(archbench.ArchbenchError) as caught:
        archbench.train("lenet", out=tmp_path / "run", **arguments)
    assert str(caught.value).startswith(message)


def test_load_run_gives_what_train_returned(run):
    loaded = archbench.load_run(str(run.path))
    assert (loaded.accuracies, loaded.epochs, loaded.comparison) == (run.accuracies, run.epochs, run.comparison)


def test_load_run_refuses_a_folder_without_a_run(tmp_path):
    with pytest.raises(archbench.UsageError, match="holds no training run"):
        archbench.load_run(tmp_path)


def test_predict_takes_tensors_and_files_alike(run, tmp_path):
    images = run.run.load_data().test.images[:2]
    paths = [tmp_path / f"{index}.png" for index in range(2)]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image[0].numpy()).save(path)
    from_tensor, from_files = run.predict(images), archbench.predict(run.path, paths)
    assert from_tensor.predictions == from_files.predictions
    assert (from_tensor.names, from_files.names) == (("0", "1"), tuple(map(str, paths)))
    # These are the first images of the test set, whose predictions the training wrote.
    written = run.run.predictions("lenet", 0)[:2]
    assert [each.classes for each in from_tensor.predictions] == [each.classes for each in written]


def test_predict_of_no_images_is_refused(run):
    with pytest.raises(archbench.InputError, match="images is empty; give at least one image"):
        run.predict([])


def test_predict_shows_a_row_per_image_and_saves_a_sheet(run, tmp_path):
    predictions = run.predict(run.run.load_data().test.images[:2])
    assert [row["label"] for row in predictions.to_dict()] == [None, None]
    assert "Class 1" in str(predictions)
    predictions.save(tmp_path / "sheet.svg")
    assert (tmp_path / "sheet.svg").read_text().startswith("<svg")
    predictions.save(tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text().startswith("image,label,class_1,probability_1")


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 3, 8, 8), (2, 1, 16, 16)])
def test_predict_refuses_tensors_of_another_shape(run, shape):
    with pytest.raises(archbench.InputError, match="uint8 tensor of Nx1x8x8"):
        run.predict(torch.zeros(shape, dtype=torch.uint8))


def test_predict_leaves_random_numbers_as_they_were(run):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    run.predict(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    assert torch.rand(1) == expected


@pytest.fixture
def archbench_cli(request):
    """The command line; `archbench` is the library here."""
    return request.getfixturevalue("archbench")


@pytest.fixture
def copied(run, tmp_path):
    """A copy of the run, to be damaged."""
    shutil.copytree(run.path, tmp_path / "copy")
    return tmp_path / "copy"


IMAGE = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)


def test_predict_refuses_parameters_that_have_changed(copied):
    assert len(archbench.predict(copied, IMAGE).predictions) == 1
    final = copied / "models" / "lenet" / "seed-0" / "final.pt"
    data = bytearray(final.read_bytes())
    data[2000:2032] = bytes(byte ^ 255 for byte in data[2000:2032])
    final.write_bytes(data)
    with pytest.raises(archbench.UsageError, match="has changed since it was written"):
        archbench.predict(copied, IMAGE)


def test_predict_reads_runs_of_earlier_versions_and_says_where_probabilities_are_not_numbers(archbench_cli, copied):
    seed = copied / "models" / "lenet" / "seed-0"
    outcome = json.loads((seed / "outcome.json").read_text())
    del outcome["final_sha256"]
    (seed / "outcome.json").write_text(json.dumps(outcome))
    assert archbench.predict(copied, IMAGE).caveats == ()
    state = torch.load(seed / "final.pt")
    torch.save({name: value * float("nan") for name, value in state.items()}, seed / "final.pt")
    Image.new("L", (8, 8)).save(copied / "image.png")
    code, out, err = archbench_cli("predict", str(copied), str(copied / "image.png"), "--format", "json")
    assert (code, json.loads(out)[0]["probability_1"]) == (0, None)
    assert "the probabilities of 1 of 1 images are not numbers" in err


def test_predict_and_resume_name_the_file_that_a_run_executes(archbench_cli, copied):
    (copied / "evil.py").write_text(
        "import archbench.models.address as a\n"
        "def lenet(num_classes=10, **kwargs): return a.find('lenet').builder(num_classes=num_classes, **kwargs)\n"
    )
    address = f"{copied}/evil.py:lenet"
    seed = copied / "models" / "lenet" / "seed-0"
    for path in (copied / "run.json", copied / "accuracy.csv", copied / "metrics.csv", seed / "outcome.json"):
        path.write_text(path.read_text().replace('"lenet"', json.dumps(address)).replace("\nlenet,", f"\n{address},"))
    record = json.loads((copied / "run.json").read_text())
    record["plan"]["size"] = 32
    (copied / "run.json").write_text(json.dumps(record))
    seed.parent.rename(seed.parent.with_name(plain_name(address)))
    Image.new("L", (8, 8)).save(copied / "image.png")
    code, _, err = archbench_cli("--quiet", "predict", str(copied), str(copied / "image.png"))
    assert (code, err) == (0, f"running '{copied}/evil.py', which the run in '{copied}' names as its model\n")
    code, _, err = archbench_cli("--quiet", "train", "--resume", str(copied))
    assert err.startswith(f"running '{copied}/evil.py'")


def test_predict_reads_regular_files_only_and_hides_the_warning_about_large_images(run, tmp_path, recwarn, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(archbench.DataError, match="is not a file"):
        run.predict(tmp_path / "pipe.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("L", (12, 12)).save(tmp_path / "large.png")
    run.predict(tmp_path / "large.png")
    assert [str(warning.message) for warning in recwarn if "decompression" in str(warning.message)] == []
