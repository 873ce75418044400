from __future__ import annotations

import re

import pytest

from cli.main import run

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture
def modules(visit, tmp_path):
    path = tmp_path / "modules.html"
    assert run(["plot", "modules", "googlenet", "--by", "macs", "--output", str(path)]) == 0
    page = visit(path).page
    page.locator("svg").first.wait_for()
    return page


def test_a_module_of_the_icicle_opens_by_click_and_closes_by_double_click(modules):
    labels = modules.locator(".mark-text.role-mark text")
    expect(labels.filter(has_text=re.compile("^conv2: ")).first).to_be_visible()
    assert labels.filter(has_text="pool_proj").count() == 0
    # 192 * 32 * 28 * 28 = 4,816,896 MACs, too thin for a name before
    modules.locator(".mark-rect path[aria-label*='inception_3a;']").first.click(position={"x": 20, "y": 5})
    expect(labels.filter(has_text="pool_proj: 4.817M").first).to_be_visible()
    assert labels.filter(has_text="conv2").count() == 0
    modules.locator(".mark-rect path[aria-label*='inception_3a;']").first.dblclick(position={"x": 20, "y": 5})
    expect(labels.filter(has_text="conv2: ").first).to_be_visible()
