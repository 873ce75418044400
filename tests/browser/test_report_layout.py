from __future__ import annotations

import re

import pytest

from cli.main import run

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

MOST_PAGES = 12  # of A4 on paper, for four models


@pytest.fixture(scope="module")
def four_models(tmp_path_factory):
    """The page of four models of the zoo, with rooflines."""
    path = tmp_path_factory.mktemp("four") / "report.html"
    assert run(["report", "alexnet", "zfnet", "vgg16", "resnet18", "--device", "h200", "--output", str(path)]) == 0
    return path


def test_the_first_screen_has_findings_a_thumbnail_and_bars_of_each_model(visit, four_models):
    opened = visit(four_models, width=1600)
    sizes = opened.page.locator(".thumbnail svg").evaluate_all(
        """all => all.map(one => [one.getBoundingClientRect().bottom, one.viewBox.baseVal])
        .map(([bottom, { width, height }]) => [bottom, width, height])"""
    )
    assert len(sizes) == 4
    assert all(bottom < 900 and width > height > 0 for bottom, width, height in sizes)
    assert "21 times its MACs" in opened.page.locator(".findings").inner_text()
    macs = opened.page.locator("td[data-title=MACs] .share")
    widths = macs.evaluate_all("all => all.map(one => parseFloat(getComputedStyle(one, '::before').width))")
    # 724.4M, 1.168G, 15.47G, 1.814G
    assert widths[2] / widths[0] == pytest.approx(15.47 / 0.7244, rel=0.02)
    assert widths[2] / widths[3] == pytest.approx(15.47 / 1.814, rel=0.02)


def test_a_thumbnail_leads_to_the_model_and_has_no_id_of_the_drawing(visit, four_models):
    opened = visit(four_models)
    ids = opened.page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    opened.page.locator(".thumbnail").nth(2).click()
    expect(opened.page.locator("#model-vgg16 .drawing svg")).to_be_in_viewport()


@pytest.mark.parametrize("width", [390, 1600])
def test_every_link_of_the_contents_ends_at_its_heading_when_charts_and_tables_have_grown(visit, four_models, width):
    opened = visit(four_models, width=width)
    page = opened.page
    page.evaluate("document.querySelector('.contents details').open = true")
    for link in page.locator(".contents a").all():
        link.evaluate("link => link.click()")
        page.wait_for_timeout(1500)
        target = page.locator(link.get_attribute("href"))
        top = target.evaluate("target => target.getBoundingClientRect().top")
        is_at_end = page.evaluate("innerHeight + scrollY >= document.documentElement.scrollHeight - 2")
        assert abs(top - 16) < 2 or (is_at_end and 0 < top < 900), link.get_attribute("href")


def test_a_reader_who_scrolls_on_is_not_called_back(visit, four_models):
    opened = visit(four_models)
    opened.page.locator(".contents a[href='#claims']").click()
    opened.page.wait_for_timeout(300)
    opened.page.mouse.wheel(0, -400)
    opened.page.wait_for_timeout(500)
    place = opened.page.evaluate("scrollY")
    opened.page.evaluate("document.querySelector('#model-vgg16').open = true")
    opened.page.wait_for_timeout(1000)
    top = opened.page.locator("#claims").evaluate("target => target.getBoundingClientRect().top")
    assert opened.page.evaluate("scrollY") >= place
    assert top > 100


def test_what_is_cut_at_390_px_fades_at_the_edge_until_it_is_scrolled_to(visit, four_models):
    opened = visit(four_models, width=390)
    opened.page.evaluate("for (const model of document.querySelectorAll('details')) model.open = true")
    opened.to("#model-vgg16 .plot").locator("svg").wait_for()
    opened.to("[data-view=model-vgg16-layers]")
    states = opened.page.locator(".scroll, .plot, .drawing").evaluate_all(
        """boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 2)
        .map(box => box.dataset.more.includes("right") && getComputedStyle(box).maskImage !== "none")"""
    )
    assert len(states) > 4
    assert all(states)
    box = opened.page.locator("#model-vgg16 .plot").first
    box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    expect(box).to_have_attribute("data-more", re.compile("^(below)?$"))


def test_a_narrow_window_has_the_most_important_columns_until_all_are_asked_for(visit, four_models):
    opened = visit(four_models, width=390)
    heads = opened.page.locator("[data-view=overview] thead th")
    assert heads.locator("visible=true").all_inner_texts() == ["Model", "Params", "MACs", "Top-5 err %"]
    box = opened.page.locator("[data-view=overview]")
    box.get_by_role("button", name="All columns").click()
    assert heads.locator("visible=true").count() == heads.count() > 10
    opened.page.set_viewport_size({"width": 1024, "height": 900})
    assert not box.get_by_role("button", name="All columns").is_visible()
    assert heads.locator("visible=true").count() == heads.count()


def test_at_1600_px_no_table_and_no_chart_scrolls_sideways(visit, four_models):
    opened = visit(four_models, width=1585)  # beside a scroll bar
    opened.page.evaluate("for (const model of document.querySelectorAll('details')) model.open = true")
    opened.page.wait_for_timeout(1500)
    for place in opened.page.locator(".plot").all():
        place.scroll_into_view_if_needed()
        place.locator("svg").wait_for()
    wide = opened.page.locator(".scroll, .plot").evaluate_all(
        "all => all.filter(box => box.scrollWidth > box.clientWidth).map(box => box.parentNode.dataset.view)"
    )
    assert wide == []


def test_four_models_print_on_twelve_pages_and_none_begins_with_a_hint(visit, four_models):
    opened = visit(four_models)
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(opened.page.locator(".plot svg")).to_have_count(opened.page.locator(".plot").count())
    pdf = opened.page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= MOST_PAGES
    opened.page.emulate_media(media="print")
    assert opened.page.locator(".hint:visible").count() == 0
    assert opened.page.locator("[data-view=model-alexnet-claims]:visible").count() == 0  # they are in their own section
