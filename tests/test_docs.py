"""What the documentation shows is what the commands print."""

from __future__ import annotations

import pytest

from results import run_docs
from results.fit_efficiency import fits

PICTURES = sorted((run_docs.ROOT / "docs" / "pictures").glob("*.svg"))


@pytest.mark.slow
@pytest.mark.parametrize("page", run_docs.pages(), ids=lambda page: page.name)
def test_every_command_shown_prints_what_is_shown(page):
    text = page.read_text(encoding="utf-8")
    assert run_docs.refreshed(text) == text


@pytest.mark.slow
@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_the_pictures_are_what_the_command_draws(picture, tmp_path):
    assert run_docs.run(["draw", picture.stem, "--output", str(tmp_path / "drawn.svg")]) == 0
    assert (tmp_path / "drawn.svg").read_text() == picture.read_text()


def test_a_stale_output_is_replaced_and_a_cut_one_compared():
    page = "Text.\n\n```\n$ archbench history\nold\n```\n"
    today = run_docs.refreshed(page)
    assert "ImageNet challenge" in today
    assert run_docs.refreshed(today) == today
    cut = "```\n$ archbench history\nImageNet challenge, classification\n...\n```\n"
    assert run_docs.refreshed(cut) == cut
    wrong = "```\n$ archbench history\nSomething else\n...\n```\n"
    assert run_docs.refreshed(wrong) != wrong


@pytest.mark.slow
def test_the_fits_that_are_shown_are_those_of_today():
    page = (run_docs.ROOT / "docs" / "predicting.md").read_text(encoding="utf-8")
    for fit, held_out in fits():
        unseen = ", ".join(f"{model.removeprefix('torchvision:')} {error:+.1%}" for model, error in held_out.items())
        assert f"| {fit.source} | {fit.efficiency:.1%} | {unseen} |" in page


def test_the_readme_and_the_chapters_show_commands():
    shown = {page.name: page.read_text(encoding="utf-8").count("\n$ archbench ") for page in run_docs.pages()}
    assert shown["README.md"] >= 3
    assert shown["predicting.md"] >= 5
