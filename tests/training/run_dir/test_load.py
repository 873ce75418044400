"""A run's folder read back: what is written is what is read, and what is damaged is told."""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from contextlib import suppress
from math import log

import pytest
import torch

from archbench.errors import UsageError
from archbench.store.accuracy import Accuracy
from archbench.training.config import TrainConfig, from_record
from archbench.training.data.records import Data, Images
from archbench.training.prepare import reopen
from archbench.training.records import Chance, Epoch, Outcome, Prediction
from archbench.training.run_dir.files import write_outcome, write_predictions, write_rows
from archbench.training.run_dir.load import read_saved_run, read_state
from archbench.training.run_dir.paths import RunFolder
from archbench.training.run_dir.run_json import read_run, to_record

MODEL = "net.py:Net"


def images(labels):
    return Images(torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8), torch.tensor(labels))


def config():
    return TrainConfig(
        models=(MODEL,),
        seeds=(0,),
        data="digits",
        data_digest="d",
        size=None,
        recipe="equal",
        epochs=1.0,
        steps=None,
        batch=None,
        augmentation="none",
        initialisation=None,
        device="cpu",
        dtype="fp32",
        layout="nchw",
        compiled=False,
        threads=1,
    )


@pytest.fixture
def folder(tmp_path):
    """A run of one model and seed that has ended, as training writes it: 9 of 10 training images are of one class."""
    run = RunFolder(tmp_path / "run")
    seed = run.seed(MODEL, 0)
    seed.path.mkdir(parents=True)
    data = Data(
        name="digits",
        caveat="digits, not CIFAR",
        classes=("0", "1"),
        train=images([0] * 9 + [1]),
        validation=images([0, 0, 0, 1]),
        test=images([0, 1]),
        mean=(0.5,),
        std=(0.25,),
        digest="d",
    )
    run.run.write_text(json.dumps(to_record(config(), data, {}, {})))
    write_rows(run.metrics, Epoch, [Epoch(MODEL, 0, 1, 5, 0.6, 0.5, 0.5, 1.0, 0.1, 100.0, 2.0, 0.55, 0.5, 1.0)])
    figures = (0.5, None, 0.2, 0.9, 1.0, 9, 9, 100.0, 2.0, "chance", 0.5, 1.0, None)
    write_rows(run.accuracy, Accuracy, [Accuracy(MODEL, "digits", "1x8x8", 1.0, 1, *figures)])
    write_outcome(seed.outcome, Outcome(MODEL, 0, "chance", "", 5, (), 0.5, 0.5, 1.0, 100.0, 2.0, None, 0.1))
    write_predictions(seed.predictions, [Prediction(i, i, (0, 1), (0.9, 0.1)) for i in range(2)])
    return run


def changed(folder, change):
    """Write the run's record anew, changed."""
    record = json.loads(folder.run.read_text())
    change(record)
    folder.run.write_text(json.dumps(record))


def test_chance_is_of_the_classes_that_were_trained_and_validated_on(folder):
    found = read_saved_run(folder.path).chance
    # The entropy of nine tenths and one tenth; three of four validation images are of one class.
    assert found.loss == pytest.approx(-(0.9 * log(0.9) + 0.1 * log(0.1)))
    assert found.top1 == 0.75


def test_chance_of_an_earlier_version_is_that_of_the_test_images(folder):
    changed(folder, lambda record: record["data"].pop("chance"))
    # One test image of each of two classes, by the predictions; half of them by accuracy.csv.
    assert read_saved_run(folder.path).chance == Chance(pytest.approx(log(2)), 0.5)
    folder.seed(MODEL, 0).predictions.unlink()
    assert read_saved_run(folder.path).chance == Chance(None, 0.5)
    folder.accuracy.unlink()
    assert read_saved_run(folder.path).chance == Chance(None, None)


def test_the_store_knows_a_file_by_its_whole_path(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (stored,) = read_saved_run(folder.path).to_store()
    assert stored.accuracy.model == f"{tmp_path / 'net.py'}:Net"
    assert (stored.accuracy.data, stored.recipe, stored.accuracy.top1_mean) == ("digits", "equal", 0.5)


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (lambda record: record.pop("asked"), "no asked (object)"),
        (lambda record: record.update(plan=[]), "no plan (object)"),
        (lambda record: record["plan"].pop("models"), "no plan.models (list of strings)"),
        (lambda record: record["plan"].update(seeds=["0"]), "no plan.seeds (list of integers)"),
        (lambda record: record["data"].pop("caveat"), "no data.caveat (string)"),
        (lambda record: record["data"].update(classes=10), "no data.classes (list of strings)"),
        (lambda record: record["data"].pop("images"), "no data.images (object)"),
        (lambda record: record["data"]["images"].pop("test"), "no data.images.test (integer)"),
        (lambda record: record["data"].update(chance={"loss": 1.0}), "no data.chance.top1 (number)"),
    ],
)
def test_what_a_record_lacks_is_named(folder, change, missing):
    changed(folder, change)
    with pytest.raises(UsageError) as told:
        read_run(folder.path)
    assert str(told.value) == f"'{folder.run}' is damaged: there is {missing} in it, as 'archbench train' writes it"


@pytest.mark.parametrize(("text", "said"), [("[]", "no object"), ("{", "not what"), ("\ud800", "not what")])
def test_a_record_that_is_none_is_told(folder, text, said):
    folder.run.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=rf"run\.json' is damaged: .*{said}"):
        read_saved_run(folder.path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"epochs": [[]], "notes": []}', '{"epochs": [], "notes": []}'])
def test_a_damaged_outcome_is_told(folder, text):
    folder.seed(MODEL, 0).outcome.write_text(text)
    with pytest.raises(UsageError, match=r"outcome\.json' is damaged"):
        read_saved_run(folder.path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "image,label\n0,0\n",
        lambda text: text[:-6],  # the last row lacks its last column
        lambda text: "\n".join(text.splitlines()[:-1]),
        lambda text: text.replace("0.9", "high"),
        lambda text: "\0" * 200_000,
    ],
    ids=["empty", "no classes", "cut in a row", "a row too few", "no number", "zeros"],
)
def test_damaged_predictions_are_told(folder, damage):
    path = folder.seed(MODEL, 0).predictions
    path.write_text(damage(path.read_text()))
    with pytest.raises(UsageError, match=r"predictions\.csv' is damaged"):
        read_saved_run(folder.path).complete_predictions()


@pytest.mark.parametrize("name", ["metrics", "accuracy", "run"])
def test_a_table_that_cannot_be_read_is_told(folder, name):
    path = getattr(folder, name)
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match=rf"{path.name}"):
        read_saved_run(folder.path)


def test_a_figure_that_must_be_there_is_missed(folder):
    text = folder.metrics.read_text()
    folder.metrics.write_text(text.replace(",0.55,", ",,"))
    with pytest.raises(UsageError, match=r"metrics\.csv' is damaged"):
        read_saved_run(folder.path)


def test_a_run_without_an_identity_is_read_but_not_gone_on_with(folder):
    changed(folder, lambda record: record.pop("run_id"))
    assert read_saved_run(folder.path).epochs
    with pytest.raises(UsageError, match=r"no run_id \(string\)"):
        reopen(folder, device="cpu", threads=1)


def test_a_config_of_another_version_is_refused_with_what_differs():
    record = config().to_record()
    del record["layout"]
    with pytest.raises(UsageError, match=r"written by another version of archbench: layout, tempo differ"):
        from_record({**record, "tempo": 1})


def test_a_run_of_an_earlier_version_is_gone_on_with(folder):
    # It named the device `kind`.
    record = config().to_record()
    record["kind"] = record.pop("device")
    assert from_record(record) == config()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record["data"].update(shape=[1, 10**9, 10**9]), "data.shape is not that of an image"),
        (lambda record: record["data"].update(shape=[1, 8]), "data.shape is not that of an image"),
        (lambda record: record["data"].update(mean=[]), "one number for each channel"),
    ],
)
def test_a_record_with_absurd_values_is_damaged(folder, change, message):
    changed(folder, change)
    with pytest.raises(UsageError, match=message):
        read_saved_run(folder.path)


@pytest.mark.parametrize("file", ["run", "outcome"])
def test_a_file_of_deeply_nested_json_is_damaged(folder, file):
    path = folder.seed(MODEL, 0).outcome if file == "outcome" else getattr(folder, file)
    path.write_text("[" * 100_000)
    with pytest.raises(UsageError, match="is damaged"):
        read_saved_run(folder.path)


def test_a_pipe_in_a_run_folder_is_not_waited_for(folder):
    path = folder.seed(MODEL, 0).outcome
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UsageError, match=r"outcome\.json' cannot be read: it is not a file"):
        read_saved_run(folder.path)


def test_a_run_that_lists_a_million_seeds_is_read_at_once(folder):
    changed(folder, lambda record: record["plan"].update(seeds=list(range(1_000_000))))
    start = time.perf_counter()
    run = read_saved_run(folder.path)
    assert [outcome.seed for outcome in run.outcomes] == [0]
    assert run.complete_predictions() == {}
    assert time.perf_counter() - start < 10  # 45 s when each seed's files were looked for


@pytest.fixture
def final(tmp_path):
    path = tmp_path / "final.pt"
    torch.save({"weight": torch.zeros(3, 3)}, path)
    return path


def test_parameters_are_read_with_their_digest_or_without(final):
    digest = hashlib.sha256(final.read_bytes()).hexdigest()
    for known in ("", digest):
        assert read_state(final, known)["weight"].shape == (3, 3)


def test_changed_parameters_are_refused(final):
    data = final.read_bytes()
    digest, start = hashlib.sha256(data).hexdigest(), len(data) // 2
    final.write_bytes(data[:start] + bytes(byte ^ 1 for byte in data[start : start + 32]) + data[start + 32 :])
    with pytest.raises(UsageError, match="has changed since it was written"):
        read_state(final, digest)


@pytest.mark.parametrize(
    "content", [torch.zeros(3), [1], {1: torch.zeros(1)}, {"a": 1}, {"a": {"b": torch.zeros(1)}}, None]
)
def test_a_file_that_holds_no_parameters_by_name_is_damaged(final, content):
    torch.save(content, final)
    with pytest.raises(UsageError, match="is damaged"):
        read_state(final)


def test_fuzzed_parameters_of_an_earlier_version_are_read_or_refused(final):
    data, numbers = final.read_bytes(), random.Random(0)
    for trial in range(60):
        fuzzed = bytearray(data)
        for _ in range(3):
            fuzzed[numbers.randrange(len(data))] = numbers.randrange(256)
        final.write_bytes(fuzzed if trial % 3 else fuzzed[: numbers.randrange(len(data))])
        with suppress(UsageError):  # any other error fails the test
            read_state(final)
