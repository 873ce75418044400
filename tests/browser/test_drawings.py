from __future__ import annotations

import pytest

from cli.main import run

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

DRAWING = "[data-drawing=model-googlenet]"


@pytest.fixture(scope="session")
def graph_report(tmp_path_factory):
    """The page of a model with modules that open, and of a chain."""
    path = tmp_path_factory.mktemp("graphs") / "report.html"
    assert run(["report", "googlenet", "lenet", "--output", str(path)]) == 0
    return path


@pytest.fixture
def drawing(visit, graph_report):
    def open_(**options):
        opened = visit(graph_report, **options)
        opened.to(DRAWING)
        return opened.page.locator(DRAWING)

    return open_


def names(place):
    """Return the bold text of each box that is drawn."""
    return place.locator(".block > text[font-weight=bold]").evaluate_all(
        "texts => texts.map(text => text.firstChild.data)"
    )


def test_a_module_opens_by_click_and_closes_by_the_trail(drawing):
    place = drawing()
    assert "inception_4a" in names(place)
    assert place.get_by_role("navigation").count() == 0
    place.get_by_role("button", name="Open inception_4a").locator("text").first.click()
    expect(place.get_by_role("navigation")).to_contain_text("inception_4a")
    # Szegedy et al. 2015, figure 2b: four branches, of which three have a 1x1 convolution of their own, and the join.
    assert {"1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool", "pool_proj", "cat"} <= set(names(place))
    assert "inception_4a" not in names(place)
    place.get_by_role("button", name="Back to googlenet").click()
    assert "inception_4a" in names(place)
    assert place.get_by_role("navigation").count() == 0


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_module_opens_by_keyboard_and_the_focus_follows(drawing, key):
    place = drawing()
    place.get_by_role("button", name="Open inception_5b").focus()
    place.page.keyboard.press(key)
    expect(place.locator("[aria-current]")).to_be_focused()
    expect(place.locator("[aria-current]")).to_have_text("inception_5b")


def test_a_drawing_zooms_and_fits_the_width(drawing):
    place = drawing()
    svg = place.locator(".drawing svg")
    width = svg.bounding_box()["width"]
    place.get_by_role("button", name="Larger").click()
    assert svg.bounding_box()["width"] == pytest.approx(1.25 * width, rel=0.01)
    place.get_by_role("button", name="Smaller").click()
    assert svg.bounding_box()["width"] == pytest.approx(width, rel=0.01)
    place.get_by_role("button", name="Fit the width").click()
    assert svg.bounding_box()["width"] == pytest.approx(place.locator(".drawing").bounding_box()["width"], abs=3)


@pytest.mark.parametrize("width", [390, 1024, 1600])
def test_text_is_large_enough_to_read_and_the_page_does_not_scroll_sideways(drawing, width):
    place = drawing(width=width)
    heights = place.locator(".block > text").evaluate_all(
        "texts => texts.map(text => text.getScreenCTM().a * parseFloat(text.getAttribute('font-size')))"
    )
    # 13 units, of which a narrow window leaves three quarters.
    assert min(heights) >= 0.75 * 13 - 0.01
    assert place.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_drawing_has_the_pages_colours(drawing, scheme):
    place = drawing(scheme=scheme)

    def colour(selector, what):
        return place.locator(selector).first.evaluate(f"part => getComputedStyle(part).{what}")

    assert colour(".drawing svg > rect", "fill") == place.page.evaluate(
        "getComputedStyle(document.body).backgroundColor"
    )
    assert colour(".block > text", "fill") == place.page.evaluate("getComputedStyle(document.body).color")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_an_opened_module(drawing, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    place = drawing(scheme=scheme)
    place.get_by_role("button", name="Open inception_4a").focus()
    place.page.keyboard.press("Enter")
    expect(place.locator("[aria-current]")).to_be_focused()
    found = axe.Axe().run(place.page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:80]) for each in found] == []
