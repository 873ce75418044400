"""What models learned, kept in the same store as what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archbench.store.accuracy import Accuracy
from archbench.store.database import Store, import_store
from archbench.store.trainings import TrainingResult

LENET = TrainingResult(
    run_id="a",
    started_at="2026-01-02T03:04:05+00:00",
    machine="here",
    folder="/runs/a",
    recipe="equal",
    accuracy=Accuracy(
        model="lenet",
        data="digits",
        input_shape="1x32x32",
        epochs=10.0,
        seeds=3,
        top1_mean=0.94,
        top1_std=0.01,
        top1_low=0.91,
        top1_high=0.96,
        top5_mean=0.99,
        images_per_s=9000.0,
        time_s=1.5,
        status="ok",
        params=None,
        macs=None,
        chance_top1=None,
        chance_top5=None,
        peak_bytes=None,
    ),
)


def with_accuracy(**changes):
    return replace(LENET, accuracy=replace(LENET.accuracy, **changes))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "results.sqlite") as opened:
        yield opened


def test_a_stored_training_comes_back_with_unknown_figures_as_none(store):
    failed = with_accuracy(model="vgg16", top1_mean=None, top1_std=None, images_per_s=None, status="failed")
    store.add_trainings([LENET, failed])
    assert store.trainings("lenet") == [LENET]
    assert store.trainings("vgg16") == [failed]
    assert store.trainings("alexnet") == []
    assert store.trainings("lenet", "vgg16", "alexnet") == [failed, LENET]


def test_a_resumed_run_replaces_its_stored_training(store):
    store.add_trainings([with_accuracy(status="interrupted", top1_mean=None)])
    store.add_trainings([LENET])
    assert store.trainings() == [LENET]


def test_the_newest_run_comes_first(store):
    later = replace(LENET, run_id="b", started_at="2026-02-01T00:00:00+00:00")
    store.add_trainings([later])
    store.add_trainings([LENET])
    assert store.trainings() == [later, LENET]
    assert store.trainings(limit=1) == [later]


def test_trainings_of_another_store_are_imported_once(store, tmp_path):
    with Store(tmp_path / "other.sqlite") as other:
        other.add_trainings([LENET, with_accuracy(model="vgg16")])
    store.add_trainings([LENET])
    for new in (1, 0):
        assert import_store(tmp_path / "other.sqlite", store.path) == (0, new)
    assert len(store.trainings()) == 2
