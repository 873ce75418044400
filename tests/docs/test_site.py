"""The documentation as a site: built strictly, complete, and loading nothing from the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from html.parser import HTMLParser

import pytest

from archbench import __all__ as api
from archbench.analyze.performance.layer_times import ProfileRow
from archbench.hardware.find import all_devices
from archbench.reporting.tables.bench import bench_table
from archbench.reporting.tables.train import metrics_table, trainings_table
from archbench.store.accuracy import Accuracy
from cli.main import run
from tools.docs_options import commands, find_command
from tools.run_docs import ROOT

DOCS = ROOT / "docs"
COMMANDS = commands()
NAMES = [*COMMANDS, "results compare", "results trainings"]
NO_TABLE = {"draw", "plot", "report"}
# Every table of a command that runs without measuring, as CSV.
TABLES = (
    "list",
    "summary lenet --mode train",
    "compare lenet --mode eval --measured",
    "compare lenet --mode train --trained",
    "explain lenet conv1",
    "check lenet --max-params 5M",
    "diff lenet5 lenet",
    "verify lenet",
    "history",
    "costs",
    "memory lenet --mode train --device t4",
    "memory lenet --mode train --layers",
    "memory lenet --timeline",
    "devices",
    "estimate lenet --device t4 --devices 2 --dataset 1000 --price 1",
    "estimate lenet --device t4 --layers",
    "estimate lenet --device t4 --devices 8 --plans",
)
MEASURED = {
    "bench": [column.field for column in bench_table([]).columns],
    "profile": [field.name for field in fields(ProfileRow)],
    "train": [field.name for field in fields(Accuracy)] + [column.field for column in metrics_table([]).columns],
    "results": [column.field for column in trainings_table([]).columns],
    "predict": ["image", "label", "class_1", "class_5", "probability_1", "probability_5"],
}


def page_of(command):
    return (DOCS / "commands" / f"{command.split()[0]}.md").read_text(encoding="utf-8")


class Loaded(HTMLParser):
    """Gathers the addresses that a browser loads for a page by itself."""

    def __init__(self, page):
        super().__init__()
        self.addresses = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in {"script", "img", "iframe", "source", "video", "audio", "embed"}:
            self.addresses += filter(None, (given.get("src"), given.get("srcset")))
        if tag == "link" and given.get("rel") not in {"canonical", "next", "prev"}:
            self.addresses.append(given.get("href"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if not os.environ.get("CI"):
        pytest.importorskip("material", reason="mkdocs-material is not installed: pip install '.[docs]'")
        pytest.importorskip("mkdocstrings_handlers.python", reason="mkdocstrings is not installed")
    place = tmp_path_factory.mktemp("site")
    arguments = ["build", "--strict", "--quiet", "--site-dir", str(place)]
    done = subprocess.run([sys.executable, "-m", "mkdocs", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.slow
def test_every_page_is_built_and_loads_nothing_from_the_network(site):
    built = list(site.rglob("*.html"))
    assert len(built) > len(COMMANDS)
    addresses = {(page.name, address) for page in built for address in Loaded(page.read_text("utf-8")).addresses}
    assert addresses
    assert not {found for found in addresses if re.match(r"(https?:)?//", found[1])}
    styles = "".join(style.read_text("utf-8") for style in site.rglob("*.css"))
    assert not re.findall(r"(?:url\(|@import )['\"]?(?:https?:)?//", styles)


@pytest.mark.slow
def test_the_python_page_describes_the_whole_api(site):
    page = (site / "python.html").read_text("utf-8")
    names = set(api) - {"__version__"}
    assert {name for name in names if f'id="archbench.{name}"' not in page} == set()
    assert "archbench.__version__" in page


@pytest.mark.slow
def test_the_search_finds_commands_and_functions(site):
    index = (site / "search" / "search_index.json").read_text("utf-8")
    assert "commands/estimate.html" in index
    assert "archbench.register_cost" in index


def test_every_command_has_a_page_that_the_overview_and_the_navigation_name():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    overview = (DOCS / "commands" / "index.md").read_text(encoding="utf-8")
    pages = {page.stem for page in (DOCS / "commands").glob("*.md")} - {"index"}
    assert pages == set(COMMANDS)
    assert [name for name in COMMANDS if f"commands/{name}.md" not in navigation] == []
    assert [name for name in COMMANDS if f"[`{name}`]({name}.md)" not in overview] == []


@pytest.mark.parametrize("command", NAMES)
def test_every_option_that_help_shows_is_on_the_command_s_page(command, capsys):
    assert run([*command.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", shown, re.MULTILINE)) - {"--help"}
    assert options
    assert {option for option in options if f"| `{option}`" not in page_of(command)} == set()


@pytest.mark.slow
@pytest.mark.parametrize("command", TABLES)
def test_every_column_is_on_the_command_s_page(command, capsys):
    assert run([*command.split(), "--format", "csv"]) == 0
    heading = capsys.readouterr().out.splitlines()[0]
    assert [name for name in heading.split(",") if f"`{name}`" not in page_of(command)] == []


@pytest.mark.parametrize("command", MEASURED)
def test_every_column_of_what_is_measured_is_on_the_command_s_page(command):
    assert [name for name in MEASURED[command] if f"`{name}`" not in page_of(command)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_has_question_example_options_columns_and_exit_codes(command):
    page = page_of(command)
    assert f"\n$ archbench {command}" in page
    wanted = ["Options", "Exit codes", *([] if command in NO_TABLE else ["Columns"])]
    assert [heading for heading in wanted if f"\n## {heading}\n" not in page] == []
    assert set(COMMANDS) - {table.split()[0] for table in TABLES} - set(MEASURED) == NO_TABLE


def test_hidden_options_are_on_no_page():
    hidden = [
        option for param in find_command("train").params if getattr(param, "hidden", False) for option in param.opts
    ]
    assert hidden
    assert not [option for option in hidden if option in page_of("train")]


def test_the_device_that_is_shown_is_the_catalogue_s():
    page = (DOCS / "extending" / "devices.md").read_text(encoding="utf-8")
    shown = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    [(name, device)] = tomllib.loads(shown[1]).items()
    catalogue = tomllib.loads((ROOT / "archbench" / "hardware" / "catalogue.toml").read_text(encoding="utf-8"))
    assert name in all_devices()
    assert catalogue[name] == device
