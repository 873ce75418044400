from __future__ import annotations

import logging

import pytest

import archbench
from archbench.api.results import compare_results, import_results, trainings
from archbench.store.database import Store
from tests.helpers.measurements import configuration
from tests.helpers.measurements import result as make_result


@pytest.fixture
def store(tmp_path):
    """Return the path of a store with a fast run of LeNet, a slow one, and one that failed."""
    path = tmp_path / "a.sqlite"
    with Store(path) as opened:
        for run_id, day, step_s, status in (("aa1", 1, 0.10, "ok"), ("bb2", 2, 0.13, "ok"), ("cc3", 3, None, "failed")):
            opened.add(
                make_result(
                    status,
                    run_id=run_id,
                    started_at=f"2026-01-0{day}",
                    samples_s=(step_s,) * 30 if step_s else (),
                    configuration=configuration(model=f"lenet{day}" if day > 1 else "lenet"),
                )
            )
    return path


def test_results_are_filtered_newest_first(store):
    found = archbench.results(store=store)
    assert [result.run_id for result in found.results] == ["cc3", "bb2", "aa1"]
    assert [result.run_id for result in archbench.results(status="ok", limit=1, store=store).results] == ["bb2"]
    assert [result.run_id for result in archbench.results(model="lenet", device="cpu", store=store).results] == ["aa1"]
    assert archbench.results(device="cuda", store=store).results == ()
    assert repr(found) == "<StoredResults: 3 rows>"
    assert str(found).startswith("3 results\n")


def test_raw_results_have_every_field(store):
    assert "samples_s" not in archbench.results(store=store).to_dict()[0]
    assert archbench.results(store=store, raw=True).to_dict()[1]["samples_s"] == [0.13] * 30


def test_a_store_that_does_not_exist_yet_is_a_note(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("archbench"), "propagate", True)
    with caplog.at_level(logging.INFO, "archbench"):
        assert archbench.results(store=tmp_path / "none.sqlite").results == ()
        assert trainings(store=tmp_path / "none.sqlite").trainings == ()
    assert "'archbench bench' fills it" in caplog.messages[0]
    assert "'archbench train' fills it" in caplog.messages[1]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"status": "good"}, "status='good' is not one of ok, not_converged, implausible, oom, failed$"),
        ({"mode": "evil"}, "mode='evil' is not one of eval, train"),
        ({"dtype": "bf61"}, "dtype='bf61' is not one of .*; did you mean 'bf16'"),
    ],
)
def test_a_filter_that_matches_nothing_by_mistake_is_refused(store, wanted, message):
    with pytest.raises(archbench.UsageError, match=message):
        archbench.results(store=store, **wanted)


def test_two_stored_runs_are_compared(store):
    found = compare_results("aa", "bb", store=store)
    assert found.comparison.verdict == "faster"
    assert found.comparison.ratio == pytest.approx(1.3)
    assert "model (lenet against lenet2)" in str(found)
    with pytest.raises(archbench.UsageError, match="run cc3 is failed and has no samples"):
        compare_results("aa", "cc", store=store)


def test_another_store_is_imported(store, tmp_path):
    target = tmp_path / "b.sqlite"
    assert import_results(store, store=target) == (3, 0)
    assert import_results(store, store=target) == (0, 0)
    assert len(archbench.results(store=target).results) == 3
