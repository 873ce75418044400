"""Published figures in a store: beside measured results, and in stores of earlier versions."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace

import pytest

from archbench.errors import StoreError
from archbench.store.database import Store, import_store
from archbench.store.published import PublishedAccuracy, PublishedRate
from archbench.store.results import ADDED, SCHEMA, VERSION
from archbench.store.trainings import SCHEMA as TRAININGS
from tests.helpers.measurements import result

RATE = PublishedRate(
    source="a.csv",
    model="vgg16",
    kind="cuda",
    device="rtx4090",
    mode="eval",
    dtype="amp-fp16",
    layout="nhwc",
    compiled=True,
    torch="2.4.0",
    img_size=224,
    batch=512,
    images_per_s=2904.86,
)
ACCURACY = PublishedAccuracy("b.csv", "vgg16", "tv_in1k", 224, 0.71594, 0.90398)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.sqlite"


def version_3(path):
    """Write a store as version 3 was, with one result: all tables but those of published figures."""
    connection = sqlite3.connect(path)
    for statement in (*SCHEMA, *TRAININGS):
        connection.execute(statement)
    for name, kind in (column for version in (2, 3) for column in ADDED[version].items()):
        connection.execute(f"ALTER TABLE results ADD COLUMN {name} {kind}")
    connection.execute(f"PRAGMA application_id = {int.from_bytes(b'arch', 'big')}")
    connection.execute("PRAGMA user_version = 3")
    connection.execute(
        "INSERT INTO results (run_id, started_at, machine, model, input_shape, kind, device, mode, batch, dtype,"
        " layout, compiled, graphs, threads, status, reason, images_per_s, flags, samples_s, latencies_s, environment)"
        " VALUES ('old', '2026-01-01', 'here', 'vgg16', '3x224x224', 'cpu', 'a cpu', 'eval', 1, 'fp32', 'nchw', 0, 0,"
        " 2, 'ok', '', 5.5, '[]', '[]', '[]', '{}')"
    )
    connection.commit()
    connection.close()


def test_figures_come_back_as_they_were_and_filtered(path):
    other = replace(RATE, model="vgg19", device="rtx3090", compiled=False)
    with Store(path) as store:
        store.replace_published([RATE, other, ACCURACY])
        assert store.published() == [RATE, other, ACCURACY]
        assert store.published_rates(device="rtx3090") == [other]
        assert store.published_accuracies(model="vgg19") == []


def test_figures_of_a_file_replace_those_it_had(path):
    with Store(path) as store:
        store.replace_published([RATE, replace(RATE, model="gone"), ACCURACY])
        for _ in range(2):
            store.replace_published([replace(RATE, images_per_s=3000.0)])
        assert store.published() == [replace(RATE, images_per_s=3000.0), ACCURACY]


def test_published_rates_are_in_no_query_of_measured_results(path):
    with Store(path) as store:
        store.replace_published([RATE, ACCURACY])
        assert (store.results(), store.fastest(), store.count(), store.trainings()) == ([], [], 0, [])


def test_a_store_of_version_3_is_read_unchanged_and_upgraded_when_written_to(path):
    version_3(path)
    before = path.read_bytes()
    with Store(path, for_reading=True) as store:
        assert store.published() == []
        assert [found.run_id for found in store.results()] == ["old"]
    assert path.read_bytes() == before
    with Store(path) as store:
        store.replace_published([RATE])
        assert store.pragma("user_version") == VERSION
        assert store.published() == [RATE]
        assert [found.images_per_s for found in store.results()] == [5.5]


def test_an_import_of_another_store_takes_files_that_the_store_lacks(path, tmp_path):
    with Store(tmp_path / "other.sqlite") as other:
        other.add(result("ok", run_id="r1"))
        other.replace_published([RATE, ACCURACY])
    with Store(path) as store:
        store.replace_published([replace(RATE, images_per_s=1.0)])
    for new in (1, 0):
        assert import_store(tmp_path / "other.sqlite", path) == (new, 0)
    with Store(path, for_reading=True) as store:
        assert store.published() == [replace(RATE, images_per_s=1.0), ACCURACY]


def test_a_full_disk_leaves_the_figures_that_there_were(path):
    resource = pytest.importorskip("resource", reason="needs a limit of file sizes")
    with Store(path) as store:
        store.replace_published([RATE])
    many = [replace(RATE, model=f"model{number}" * 20) for number in range(20_000)]
    child = os.fork()
    if child == 0:  # pragma: no cover
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            with Store(path) as store:
                store.replace_published(many)
        except StoreError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with Store(path, for_reading=True) as store:
        assert store.published() == [RATE]


def test_a_damaged_figure_is_an_error_of_one_line(path):
    with Store(path) as store:
        store.replace_published([RATE])
        store.connection.execute("UPDATE published_rates SET images_per_s = 'fast'")
        with pytest.raises(StoreError, match="is damaged: a published figure cannot be read"):
            store.published()
