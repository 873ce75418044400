"""Measure the report of the whole zoo: its size, the time to make it, its first paint, and sorting 2,000 rows.

    python benchmarks/report_page.py [--rounds 5] [--browser /usr/bin/chromium]

The page is made in a new process; the time of `import torch` is measured separately and subtracted. First paint is the
browser's figure for a page opened from disk; a sort lasts from the click on a heading until the next frame. All figures
are medians. Requires playwright.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import archbench
from archbench.store.database import Store
from archbench.store.records import Configuration, Result

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROWS = 2000
ARCHBENCH = str(Path(sys.executable).with_name("archbench"))
SORT = """async place => {
  const pause = time => new Promise(done => setTimeout(done, time));
  document.querySelector(place).scrollIntoView();
  await pause(1000);
  const times = [];
  for (const heading of document.querySelectorAll(`${place} thead button`)) {
    const start = performance.now();
    heading.click();
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - start);
    await pause(200);
  }
  return times;
}"""


def main() -> None:
    """Print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--browser", default=shutil.which("chromium"))
    options = parser.parse_args()
    names = [card.name for card in archbench.list_models()]
    with tempfile.TemporaryDirectory() as folder:
        zoo, rows = Path(folder) / "zoo.html", Path(folder) / "rows.html"
        command = [ARCHBENCH, "report", *names, "--device", "h200", "--output", str(zoo)]
        torch_s = statistics.median(seconds([sys.executable, "-c", "import torch"]) for _ in range(options.rounds))
        made_s = statistics.median(seconds(command) for _ in range(options.rounds))
        fill(Path(folder) / "results.sqlite")
        seconds([ARCHBENCH, "report", "lenet", "--store", f"{folder}/results.sqlite", "--output", str(rows)])
        painted, sorted_ = in_browser(options.browser, zoo, rows, options.rounds)
        print(f"{len(names)} models, Python {platform.python_version()}, median of {options.rounds}")
        print(f"size of the page                  {zoo.stat().st_size / 1e6:8.2f} MB")
        print(f"made, beyond import torch         {made_s - torch_s:8.2f} s  (torch {torch_s:.2f} s)")
        print(f"first paint from disk             {painted:8.1f} ms")
        print(f"sorting {ROWS} rows, next frame    {statistics.median(sorted_):8.1f} ms (slowest {max(sorted_):.1f})")


def seconds(command: list[str]) -> float:
    """Run a command to its end, discard its output, and return its time in seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def fill(path: Path) -> None:
    """Write a store with 2,000 results in mixed order."""
    with Store(path) as store:
        for number in range(ROWS):
            rate = float(1 + number * 7919 % ROWS)
            configuration = Configuration(
                "lenet", "1x32x32", "cpu", "A CPU", "eval", number + 1, "fp32", "nchw", False, False, 2
            )
            figures: dict[str, Any] = {"images_per_s_low": 0.9 * rate, "images_per_s_high": 1.1 * rate}
            figures |= {"latency_s_median": 1 / rate, "latency_s_p90": 1.1 / rate, "flop_per_s": 1e6 * rate}
            stamp = f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}+00:00"
            store.add(Result(f"r{number}", stamp, "here", configuration, "ok", images_per_s=rate, **figures))


def in_browser(path: str, zoo: Path, rows: Path, rounds: int) -> tuple[float, list[float]]:
    """Return the median first paint of one page, and the time of each sort of the other's large table, in ms."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        paints = [first_paint(browser, zoo) for _ in range(rounds)]
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(rows.as_uri())
        times: list[float] = page.evaluate(SORT, "[data-view=measured]")
        browser.close()
    return statistics.median(paints), times


def first_paint(browser: Browser, path: Path) -> float:
    """Return the first contentful paint of a page in ms."""
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_timeout(1000)
    paint: float = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    page.close()
    return paint


if __name__ == "__main__":
    main()
