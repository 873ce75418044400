from __future__ import annotations

import csv
import io

import pytest

from cli.main import run

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

OVERVIEW = "[data-view=overview]"
LAYERS = "[data-view=model-lenet-layers]"
MEASURED = "[data-view=measured]"


def column(visit, place, number):
    """Return the texts of a column of a table, its rows as they are shown."""
    return visit.page.locator(f"{place} tbody tr:not(.working)").evaluate_all(
        "(rows, number) => rows.map(row => row.children[number].innerText)", number
    )


def test_it_opens_from_disk_without_a_network(visit):
    opened = visit()
    assert opened.page.title().startswith("archbench report: lenet, alexnet, ")
    assert opened.requests[0].startswith("file:")
    assert column(opened, OVERVIEW, 0)[:2] == ["lenet", "alexnet"]


def test_texts_of_others_do_not_run(visit):
    opened = visit()
    opened.to("details.model:last-of-type .table")
    assert opened.page.title() != "taken"
    assert opened.page.locator("img").count() == 0
    assert column(opened, OVERVIEW, 0)[2].endswith("onerror=document.title='taken'>.py:Net")


def test_a_heading_sorts_the_largest_first_then_the_other_way_then_not(visit):
    opened = visit()
    macs = opened.page.locator(f"{OVERVIEW} th", has_text="MACs")
    sizes = []
    for expected in ("descending", "ascending", None):
        macs.get_by_role("button").click()
        assert macs.get_attribute("aria-sort") == expected
        sizes.append(column(opened, OVERVIEW, 0)[0])
    assert sizes[0] == "alexnet"
    assert sizes[1].endswith("Net")
    assert sizes[2] == "lenet"
    assert opened.page.locator("[aria-sort]").count() == 0


def test_what_is_not_known_is_sorted_last_either_way(visit):
    opened = visit()
    error = opened.page.locator(f"{OVERVIEW} th", has_text="Top-5").get_by_role("button")
    for _ in range(2):
        error.click()
        assert column(opened, OVERVIEW, 0)[0] == "alexnet"


def test_shapes_and_names_are_sorted_by_the_numbers_in_them(visit):
    opened = visit()
    opened.to(LAYERS)
    opened.page.locator(f"{LAYERS} th", has_text="Layer").get_by_role("button").click()
    names = column(opened, LAYERS, 0)
    assert names == sorted(names)
    opened.page.locator(f"{LAYERS} th", has_text="Output").first.get_by_role("button").click()
    first = [int(shape.partition("x")[0]) for shape in column(opened, LAYERS, 3)]
    assert first == sorted(first)


def test_a_filter_keeps_rows_with_every_word_and_hides_totals(visit):
    opened = visit()
    opened.to(LAYERS)
    field = opened.page.get_by_role("searchbox", name="Filter Layers of lenet")
    assert opened.page.locator(f"{LAYERS} tfoot").is_visible()
    field.fill("CONV 5x5")
    assert column(opened, LAYERS, 0) == ["conv1", "conv2"]
    assert "2 of 12 rows" in opened.page.locator(f"{LAYERS} [role=status]").inner_text()
    assert not opened.page.locator(f"{LAYERS} tfoot").is_visible()
    field.fill("")
    assert len(column(opened, LAYERS, 0)) == 12


def test_a_filter_finds_raw_values_as_well_as_texts(visit):
    opened = visit()
    opened.to(LAYERS)
    for text in ("48120", "48,120"):  # fc3: 400·120 weights and 120 biases
        opened.page.get_by_role("searchbox", name="Filter Layers of lenet").fill(text)
        assert column(opened, LAYERS, 0) == ["fc3"]


def test_a_table_copied_is_what_the_command_writes(visit, tmp_path):
    opened = visit(permissions=["clipboard-read", "clipboard-write"])
    opened.to(LAYERS)
    opened.page.locator(LAYERS).get_by_role("button", name="Copy as CSV").click()
    expect(opened.page.locator("#said")).to_have_text("copied 12 rows")
    assert run(["summary", "lenet", "--csv", str(tmp_path / "lenet.csv")]) == 0
    assert opened.page.evaluate("navigator.clipboard.readText()") == (tmp_path / "lenet.csv").read_text()


def test_only_the_rows_that_the_filter_keeps_are_copied_in_their_order_with_quotes_where_csv_needs_them(visit):
    opened = visit(permissions=["clipboard-read", "clipboard-write"])
    opened.to(MEASURED)
    opened.page.get_by_role("searchbox", name="Filter Measurements").fill("14")
    opened.page.locator(f"{MEASURED} th", has_text="Images/s").get_by_role("button").click()
    opened.page.locator(MEASURED).get_by_role("button", name="Copy as CSV").click()
    expect(opened.page.locator("#said")).to_contain_text("copied")
    rows = list(csv.DictReader(io.StringIO(opened.page.evaluate("navigator.clipboard.readText()"))))
    rates = [float(row["images_per_s"]) for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert 0 < len(rows) < 150
    assert {row["device"] for row in rows} == {'A "fast" CPU, 2 cores'}


def test_a_number_pressed_shows_how_it_comes_about(visit):
    opened = visit()
    opened.to(LAYERS)
    number = opened.page.locator(LAYERS).get_by_role("button", name="117,600", exact=True)
    number.click()
    working = opened.page.locator(f"#{number.get_attribute('aria-controls')}")
    # conv1 has 5·5·1·6 weights, each used at 28·28 places.
    assert working.inner_text().strip() == "MACs = w·o = 150·28·28 = 117,600"
    assert number.get_attribute("aria-expanded") == "true"
    number.click()
    assert opened.page.locator(f"{LAYERS} .working").count() == 0


def test_a_layers_name_pressed_shows_all_that_follows(visit):
    opened = visit()
    opened.to(LAYERS)
    opened.page.locator(LAYERS).get_by_role("button", name="conv2", exact=True).click()
    said = opened.page.locator(f"{LAYERS} .working").inner_text()
    assert "16 filters of 6x5x5" in said
    assert "receptive field = r + (k − 1)·j = 6 + (5 − 1)·2 = 14" in said
    opened.page.locator(LAYERS).get_by_role("button", name="All workings").click()
    assert opened.page.locator(f"{LAYERS} .working").count() == 12


def test_everything_works_from_the_keyboard(visit):
    opened = visit()
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    opened.to(LAYERS)
    page.locator(f"{LAYERS} th", has_text="MACs").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert column(opened, LAYERS, 0)[0] == "conv2"
    number = page.locator(LAYERS).get_by_role("button", name="240,000", exact=True)
    number.focus()
    page.keyboard.press("Space")
    assert page.locator(f"{LAYERS} .working").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(f"{LAYERS} .working").count() == 0
    assert page.evaluate("document.activeElement.textContent") == "240,000"


def test_exact_values_take_the_place_of_texts(visit):
    opened = visit()
    place = opened.page.locator(OVERVIEW)
    assert "60.97M" in place.inner_text()
    place.get_by_role("button", name="Exact values").click()
    assert "60965224" in place.inner_text()
    place.get_by_role("button", name="Exact values").click()
    assert "60.97M" in place.inner_text()


def test_workings_that_are_open_stay_so_when_exact_values_are_shown(visit):
    opened = visit()
    place = opened.to(LAYERS)
    place.get_by_role("button", name="All workings").click()
    place.get_by_role("button", name="Exact values").click()
    assert place.get_by_role("button", name="All workings").get_attribute("aria-pressed") == "true"
    assert place.locator(".working").count() == 12
    number = place.get_by_role("button", name="117600", exact=True)
    number.click()
    assert number.get_attribute("aria-expanded") == "true"
    place.get_by_role("button", name="All workings").click()
    assert place.locator(".working").count() == 0


def test_a_rate_that_is_not_to_be_believed_is_shown_nowhere_and_shortens_no_bar(visit):
    opened = visit()
    place = opened.to(MEASURED)
    rate = place.locator("th", has_text="Images/s")
    rate.get_by_role("button").click()
    # 150 images/s is the largest rate of the others, and what is not known is last.
    largest = place.locator("tbody tr").first.locator("td.bar")
    assert largest.inner_text() == "150"
    assert largest.evaluate("cell => cell.style.getPropertyValue('--share')") == "1"
    place.get_by_role("button", name="Show all").click()
    flagged = place.locator("tbody tr").last
    assert flagged.locator("td.bar").count() == 0
    place.get_by_role("button", name="Exact values").click()
    assert "flagged" in flagged.inner_text()
    for text in (flagged.inner_text(), flagged.inner_html()):
        assert "987654" not in text.replace(",", "")
    place.get_by_role("button", name="Exact values").click()
    assert "987654" not in flagged.inner_html()
    opened.page.get_by_role("searchbox", name="Filter Measurements, the newest first").fill("987654")
    assert column(opened, MEASURED, 0) == []


def test_a_models_name_leads_to_its_section_and_opens_it(visit):
    opened = visit()
    section = opened.page.locator("#model-alexnet")
    assert section.get_attribute("open") is None
    opened.page.locator(OVERVIEW).get_by_role("link", name="alexnet").click()
    expect(opened.page.locator("#model-alexnet .drawing svg")).to_be_visible()
    assert section.get_attribute("open") is not None


def test_long_tables_show_some_rows_at_first_and_more_when_scrolled(visit):
    opened = visit()
    opened.to(MEASURED)
    place = opened.page.locator(MEASURED)
    assert len(column(opened, MEASURED, 0)) == 60
    assert "150 rows, the first 60 shown" in place.inner_text()
    place.locator(".scroll").evaluate("box => box.scrollTo(0, box.scrollHeight)")
    expect(opened.page.locator(f"{MEASURED} tbody tr")).to_have_count(120)
    place.get_by_role("button", name="Show all").click()
    assert len(column(opened, MEASURED, 0)) == 150


def test_charts_are_drawn_when_they_are_seen(visit):
    opened = visit()
    last = opened.page.locator("#measured .plot").last
    assert last.locator("svg").count() == 0
    last.scroll_into_view_if_needed()
    last.locator("svg").wait_for()
    assert "throughput" in last.inner_text().lower()


@pytest.mark.parametrize(("scheme", "other"), [("light", "Dark theme"), ("dark", "Light theme")])
def test_the_theme_follows_the_system_until_the_button_is_pressed(visit, scheme, other):
    opened = visit(scheme=scheme)
    opened.to("#overview .plot").locator("svg").wait_for()

    ink = "document.querySelector('.plot text').getAttribute('fill')"
    paper = "getComputedStyle(document.body).backgroundColor"
    before = {name: opened.page.evaluate(name) for name in (ink, paper)}
    opened.page.get_by_role("button", name=other).click()
    expect(opened.page.locator(".plot text").first).not_to_have_attribute("fill", before[ink])
    assert opened.page.evaluate(paper) != before[paper]
    assert opened.page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0


@pytest.mark.parametrize("width", [390, 1024, 1600])
def test_the_page_itself_never_scrolls_sideways(visit, width):
    opened = visit(width=width)
    opened.page.evaluate("for (const model of document.querySelectorAll('details')) model.open = true")
    opened.to(LAYERS)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("scheme", "width"), [("light", 1600), ("dark", 390)])
def test_axe_finds_no_violation(visit, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    opened = visit(scheme=scheme, width=width)
    opened.to(LAYERS)
    opened.page.locator(f"{LAYERS} .why").first.click()
    opened.to("#model-lenet .plot").locator("svg").wait_for()
    opened.to(MEASURED)
    found = axe.Axe().run(opened.page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []


def test_printed_everything_is_open_and_nothing_is_a_control(visit):
    opened = visit(scheme="dark")
    opened.page.emulate_media(media="print")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(opened.page.locator(".plot svg")).to_have_count(opened.page.locator(".plot").count())
    assert opened.page.locator("details:not([open])").count() == 0
    assert opened.page.locator(".control:visible, input:visible, nav:visible").count() == 0
    assert len(column(opened, MEASURED, 0)) == 150
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.page.locator("details.model:not([open])").count() == 3
    assert len(column(opened, MEASURED, 0)) == 60


def test_on_paper_no_table_is_wider_than_the_page(visit):
    # A4 across is 297 mm, less 12 mm at each side: 273 mm at 96 pixels an inch.
    opened = visit(width=1031)
    opened.page.emulate_media(media="print")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 1031
    widths = opened.page.locator("table").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert max(widths) <= 1031


def test_without_scripts_the_page_says_what_is_missing(browser, report):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert "scripts are switched off here" in page.locator("noscript").inner_text()
    assert page.locator("#model-lenet .drawing svg").count() == 1
    context.close()


STACK = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(8, 4), *(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(3)))
def example_inputs(batch):
    import torch
    return torch.randn(batch, 8)
"""
STACK_LAYERS = "details.model .table"


@pytest.fixture(scope="module")
def stack_report(tmp_path_factory):
    """The page of a layer and three equal blocks of two layers each."""
    folder = tmp_path_factory.mktemp("stack")
    folder.joinpath("stack.py").write_text(STACK)
    assert run(["report", f"{folder / 'stack.py'}:Net", "--output", str(folder / "report.html")]) == 0
    return folder / "report.html"


def test_repeated_blocks_are_shown_once_until_a_button_sorting_or_a_filter_asks_for_all(visit, stack_report):
    opened = visit(stack_report)
    place = opened.to(STACK_LAYERS)
    folded = ["0", "1 … 3 ×3", "0", "1"]
    every = ["0", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1"]
    assert column(opened, STACK_LAYERS, 0) == folded
    assert "7 rows, equal blocks once" in place.inner_text()
    blocks = place.get_by_role("button", name="All blocks")
    blocks.click()
    assert (column(opened, STACK_LAYERS, 0), blocks.get_attribute("aria-pressed")) == (every, "true")
    blocks.click()
    assert column(opened, STACK_LAYERS, 0) == folded
    heading = place.locator("thead button", has_text="MACs")
    heading.click()
    assert len(column(opened, STACK_LAYERS, 0)) == 7
    for _ in range(2):
        heading.click()  # in the other direction, then in the order of execution
    assert column(opened, STACK_LAYERS, 0) == folded
    place.get_by_role("searchbox").fill("relu")
    assert column(opened, STACK_LAYERS, 0) == ["1.1", "2.1", "3.1"]


def test_the_sum_of_repeated_blocks_and_the_figures_of_one_are_shown(visit, stack_report):
    opened = visit(stack_report)
    place = opened.to(STACK_LAYERS)
    place.get_by_role("button", name="Exact values").click()
    heads = place.locator("thead th").all_inner_texts()
    params = column(opened, STACK_LAYERS, heads.index("Params"))
    assert params == ["36", "60", "20", ""]  # 8·4 + 4, 3 blocks of 4·4 + 4, and a ReLU without any
    place.locator("tbody tr").nth(2).locator("th .why").click()
    assert "weights = " in place.locator("tr.working").inner_text()


def test_copying_has_every_repeated_block(visit, stack_report, tmp_path):
    opened = visit(stack_report, permissions=["clipboard-read", "clipboard-write"])
    opened.to(STACK_LAYERS).get_by_role("button", name="Copy as CSV").click()
    expect(opened.page.locator("#said")).to_have_text("copied 7 rows")
    address = f"{stack_report.parent / 'stack.py'}:Net"
    assert run(["summary", address, "--csv", str(tmp_path / "stack.csv")]) == 0
    assert opened.page.evaluate("navigator.clipboard.readText()") == (tmp_path / "stack.csv").read_text()
