from __future__ import annotations

import json

import archbench
from cli.main import run


def test_history_is_the_record_with_computed_counts(capsys):
    history = archbench.history()
    assert repr(history) == "<History: 10 rows>"
    assert [row.top5_error_percent for row in history.rows][:3] == [28.2, 25.8, 16.4]
    frame = history.to_frame().set_index("model")
    assert frame.loc["alexnet", "params"] == 60_965_224
    assert "AlexNet" in history._repr_html_() or "SuperVision" in history._repr_html_()
    assert str(history).startswith("ImageNet challenge, classification\n")
    assert run(["history", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == history.to_dict()


def test_the_table_has_at_most_two_lines_below_it(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = str(archbench.history()).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) - next(i for i, line in enumerate(lines) if "human" in line) - 1 <= 2
