"""What the documentation shows is what the commands print."""

from __future__ import annotations

import doctest
import re
import shlex

import pytest

from archbench.trace.costs import registry
from tools import run_docs
from tools.docs_options import find_command
from tools.docs_shapes import is_alike


def of_page(path):
    return path.relative_to(run_docs.ROOT).as_posix()


PYTHON_PAGES = [page for page in run_docs.pages() if "```pycon" in page.read_text(encoding="utf-8")]
NOT_RUN = [
    pytest.param(command, id=f"{of_page(page)}: {command}")
    for page in run_docs.pages()
    for command in run_docs.parsed_only(page.read_text(encoding="utf-8"))
]
PICTURES = sorted((run_docs.ROOT / "docs" / "pictures").glob("*.svg"))


@pytest.mark.slow
@pytest.mark.parametrize("page", run_docs.pages(), ids=of_page)
def test_every_command_shown_prints_what_is_shown(page):
    text = page.read_text(encoding="utf-8")
    assert run_docs.refreshed(text) == text


@pytest.mark.parametrize("command", NOT_RUN)
def test_commands_that_are_shown_but_not_run_have_such_options(command):
    name, *arguments = shlex.split(command, comments=True)
    parser = find_command(name)
    if arguments and arguments[0] in getattr(parser, "commands", ()):
        parser = parser.commands[arguments.pop(0)]
    parser.make_context(name, arguments)


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON_PAGES, ids=of_page)
def test_python_that_is_shown_prints_what_is_shown(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_RULES", dict(registry._RULES))  # what a page registers, it registers for itself
    code = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    examples = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(examples).failed == 0


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


SHOWN = """\
Intel(R) Xeon(R) Processor, cpu
Model    Batch  Images/s
lenet        1     3,568
alexnet      1      17.7
+3 columns in CSV and JSON.
lenet: not converged
"""


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        (("17.7", "1,234"), True),
        (("Intel(R) Xeon(R) Processor", "another machine"), True),
        (("lenet: not converged\n", ""), True),
        (("alexnet      1      17.7\n", ""), False),
        (("Images/s", "Rows/s"), False),
        (("+3 columns", "+2 columns"), True),
        (("Batch  Images/s", "Batch  Status  Images/s"), False),
        (("Batch  Images/s", "Images/s"), False),
    ],
)
def test_measured_tables_are_alike_if_columns_and_number_of_rows_are(change, alike):
    assert is_alike(SHOWN, SHOWN.replace(*change)) is alike


def test_measured_tables_are_alike_where_a_column_fits_in_one_of_them():
    wider = SHOWN.replace("Batch  Images/s", "Batch  Status  Images/s").replace("+3 columns", "+2 columns")
    assert is_alike(SHOWN, wider)
    assert is_alike(wider, SHOWN)


def test_a_block_that_varies_is_run_and_one_that_is_not_run_stays():
    varying = "```\n# varies\n$ archbench check lenet --max-params 70K\nold\n```\n"
    assert "1 limit kept" in run_docs.refreshed(varying)
    stays = run_docs.refreshed(varying).replace("61,706", "60,000")
    assert run_docs.refreshed(stays) == stays
    left = "```\n# not run: takes long\n$ archbench bench vgg16\nold\n```\n"
    assert run_docs.refreshed(left) == left
    assert list(run_docs.parsed_only(left)) == ["bench vgg16"]


def test_blocks_that_name_a_file_are_there_for_the_page_s_commands():
    page = "```python\n# net.py\nfrom torch.nn import Linear\n```\n\n```\n$ archbench summary net.py:Linear?%s\n```\n"
    today = run_docs.refreshed(page % "in_features=3&out_features=5 --input 3")
    assert "20" in today


def test_the_readme_and_the_chapters_show_commands():
    shown = {page.name: page.read_text(encoding="utf-8").count("\n$ archbench ") for page in run_docs.pages()}
    assert shown["README.md"] >= 3
    assert shown["predicting.md"] >= 5
