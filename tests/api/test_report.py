"""`archbench.report`: the page of the command as an object."""

from __future__ import annotations

import pytest
from torch import empty, nn

import archbench
from archbench.errors import UsageError
from archbench.store.database import Store
from tests.helpers.chart_specs import result


@pytest.mark.slow
def test_a_report_shows_itself_and_is_saved(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    report = archbench.report("lenet")
    assert repr(report) == "<Report on lenet: 0 measurements>"
    report.save(tmp_path / "lenet.html")
    assert (tmp_path / "lenet.html").read_text(encoding="utf-8") == report.html
    assert report._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    with pytest.raises(UsageError, match=r"output='.*a\.txt' does not end in \.html; try .*a\.html"):
        report.save(tmp_path / "a.txt")
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_report_on_modules_has_no_measurements_and_names_no_command_for_them(tmp_path):
    store = tmp_path / "results.sqlite"
    with Store(store) as opened:
        opened.add(result("vgg16", 1, 100.0))
    report = archbench.report([nn.Linear(4, 2), nn.Linear(4, 3)], inputs=empty(1, 4), store=store)
    assert [model.address for model in report.contents.models] == ["Linear", "Linear (2)"]
    assert report.contents.results == []
    assert "archbench bench MODEL" in report.html
    assert "archbench bench Linear" not in report.html
