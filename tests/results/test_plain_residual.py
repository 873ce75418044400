"""The section of a training in the teaching chapter, from a short training of two other models."""

from __future__ import annotations

import re

import archbench
from results import make_plain_residual as script


def test_a_runs_tables_are_kept_and_its_section_is_written_again(tmp_path, monkeypatch):
    out = tmp_path / "run"
    run = archbench.train(
        ["lenet", "lenet?activation=tanh"], steps=2, seeds=2, lr=0.1, out=out, store=tmp_path / "store"
    )
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{script.BEGIN}old\n{script.END}\nAfter.\n")
    for name, path in (("FOLDER", tmp_path / "kept"), ("PAGE", page), ("PICTURE", tmp_path / "curves.png")):
        monkeypatch.setattr(script, name, path)
    for _ in range(2):
        monkeypatch.setattr("sys.argv", ["make_plain_residual.py", str(out)])
        script.main()
    text = page.read_text()
    assert text.startswith(f"Before.\n{script.BEGIN}\n```\n# not run: ")
    assert text.endswith(f"\n{script.END}\nAfter.\n")
    assert (
        "$ archbench train lenet 'lenet?activation=tanh' --data cifar10:cifar10-jpeg.tar.xz --lr 0.1 --steps 2" in text
    )
    assert run.render("table", width=80).rstrip() in text
    first, second = (epoch.train_loss for epoch in run.epochs if epoch.model == "lenet")
    (mean,) = re.findall(r"\| `lenet` \| (\S+) ± \S+ \|", text)
    assert float(mean) == round((first + second) / 2, 3)
    assert (tmp_path / "kept" / "metrics.csv").read_bytes() == (out / "metrics.csv").read_bytes()
    assert (tmp_path / "curves.png").is_file()
