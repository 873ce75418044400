"""A report as a user makes it, opened in a real browser from disk with no network.

Where no browser is found the tests are skipped, unless `CI` is set and `ARCHBENCH_NO_BROWSER` is not: then they fail.
`ARCHBENCH_BROWSER` names one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from archbench.store.database import Store
from archbench.store.records import Configuration, Result
from cli.main import run

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# A file whose address is a mark-up of its own.
HOSTILE = ("x<", "script><script>document.title='taken'<img src=y onerror=document.title='taken'>.py")
NET = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
def example_inputs(batch):
    import torch
    return torch.randn(batch, 8)
"""


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("ARCHBENCH_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        reason = f"there is no browser: none of {', '.join(NAMES)} is on the path"
        if os.environ.get("CI") and not os.environ.get("ARCHBENCH_NO_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """The page of two models of the zoo, one of them measured, and of one of a user's."""
    folder = tmp_path_factory.mktemp("report")
    net = folder.joinpath(*HOSTILE)
    net.parent.mkdir()
    net.write_text(NET)
    with Store(folder / "results.sqlite") as store:
        for number in range(150):
            store.add(measured(number))
    path = folder / "report.html"
    arguments = ["--store", str(folder / "results.sqlite"), "--device", "h200", "--output", str(path)]
    assert run(["report", "lenet", "alexnet", f"{net}:Net", *arguments]) == 0
    return path


def measured(number):
    """A result whose rate follows from its number, and whose device asks for quotes in CSV.

    Number 7 is implausible, and its rate by far the largest.
    """
    configuration = Configuration(
        "lenet", "1x32x32", "cpu", 'A "fast" CPU, 2 cores', "eval", number + 1, "fp32", "nchw", False, False, 2
    )
    status, rate = ("implausible", 987654.0) if number == 7 else ("ok", float(1 + number))
    return Result(
        run_id=f"r{number:03d}",
        started_at=f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}+00:00",
        machine="here",
        configuration=configuration,
        status=status,
        reason="faster than the device" if status == "implausible" else "",
        images_per_s=rate,
        images_per_s_low=0.9 * rate,
        images_per_s_high=1.1 * rate,
        latency_s_median=1 / rate,
        latency_s_p90=1.1 / rate,
        latency_s_p99=1.2 / rate,
        flop_per_s=1e6 * rate,
        peak_allocated_bytes=1_000_000 + number,
    )


class Visit:
    """A page that was opened, with all that it asked for and complained about."""

    def __init__(self, page):
        self.page, self.requests, self.complaints = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def to(self, selector):
        """Bring a part of the page into view, opening what it lies in, and return it."""
        part = self.page.locator(selector).first
        part.evaluate("part => { const model = part.closest('details'); if (model) model.open = true; }")
        part.scroll_into_view_if_needed()
        if part.get_attribute("data-view"):
            part.locator("tbody tr").first.wait_for()
        return part


@pytest.fixture
def visit(browser, report):
    """Open the report in a window of its own and return the visit; nothing may go wrong while it lasts."""
    visits = []

    def open_(path: Path = report, *, width=1280, scheme="light", **more):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
        context.set_offline(True)
        context.route(lambda address: not address.startswith(("file:", "data:", "blob:")), lambda route: route.abort())
        visit = Visit(context.new_page())
        visits.append((visit, context))
        visit.page.goto(path.as_uri())
        return visit

    yield open_
    for visit, context in visits:
        context.close()
        assert visit.complaints == []
        assert [address for address in visit.requests if not address.startswith(("file:", "data:", "blob:"))] == []
