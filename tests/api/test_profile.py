from __future__ import annotations

import json
from math import fsum

import pytest

import archbench
from archbench.measure.worker import client
from tests.helpers import in_process
from tests.helpers.chart_specs import records, subtitle

QUICK = {"device": "cpu", "threads": 1, "max_seconds": 0.4}


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Profile in this process."""
    monkeypatch.setattr(client, "worker", in_process.worker)
    monkeypatch.chdir(tmp_path)


def test_profile_has_a_row_per_layer_and_writes_the_profilers_trace(tmp_path, capsys):
    phases = []
    progress = archbench.Progress()
    progress.update = phases.append
    found = archbench.profile("lenet", batch=2, trace="lenet.json", progress=progress, **QUICK)
    assert phases == ["building", "profiling", "attributing"]
    assert {"conv1", "gaps"} <= {row.name for row in found.rows}
    assert fsum(row.time_s for row in found.rows) == pytest.approx(found.step_s)
    assert repr(found) == f"<Profile of lenet: {len(found.rows)} rows>"
    assert "lenet, eval, batch 2, fp32, nchw on " in str(found)
    assert json.loads(json.dumps(found.to_dict()))["batch"] == 2
    events = json.loads((tmp_path / "lenet.json").read_text())["traceEvents"]
    assert "layer conv1" in {event["name"] for event in events}
    found.save("rows.csv")
    assert (tmp_path / "rows.csv").read_text().startswith("index,name,type")
    assert capsys.readouterr() == ("", "")


def test_profile_shows_the_top_rows():
    found = archbench.profile("lenet", top=2, **QUICK)
    assert [row.name for row in found.rows][-2:] == ["others", "gaps"]
    assert len(found.rows) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trace": "trace.txt"}, "trace=.*trace.txt.* is written as JSON"),
        ({"trace": "missing/trace.json"}, "there is no folder 'missing'"),
        ({"device": "mps"}, "device='mps' is not supported"),
        ({"mode": "evil"}, "mode='evil' is not one of eval, train"),
    ],
)
def test_profile_refuses_what_it_cannot_measure(arguments, message):
    with pytest.raises(archbench.ArchbenchError, match=message):
        archbench.profile("lenet", **{"device": "cpu", **arguments})


def test_plot_profile_draws_a_profile_or_measures_one():
    found = archbench.profile("lenet", batch=2, **QUICK)
    spec = archbench.plot("profile", found).to_dict()
    ends = [row["end_s"] for row in records(spec, "start_s")]
    rows = [row for row in found.rows if row.name != "gaps" and row.time_s > 0]
    assert max(ends) == pytest.approx(fsum(row.time_s for row in rows))
    assert "No roofline: 'archbench devices --measure' measures this device." in subtitle(spec)
    with pytest.raises(archbench.ArchbenchError, match="batch=4 has no effect on a profile that is measured"):
        archbench.plot("profile", found, batch=4)
    with pytest.raises(archbench.ArchbenchError, match="plot profile takes exactly one model or profile, got 2"):
        archbench.plot("profile", "lenet", "vgg16")
