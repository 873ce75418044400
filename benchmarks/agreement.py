"""Count the models of other libraries and compare with torch's own counter of operators.

    pip install "archbench[agreement]"
    python benchmarks/agreement.py [--only timm] [--sample 40] [--resume]

Every model is counted in both modes, in a process of its own. Writes results/agreement.csv, a row for each model, and
docs/agreement.md from it. `--page` makes the page alone. Ends with 1 if a difference has no reason or a model fails.
"""

from __future__ import annotations

import argparse
import csv
import gc
import importlib
import json
import logging
import multiprocessing
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from importlib.metadata import version
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import agreement_published
import torch
from agreement_page import page
from agreement_row import DIFFERS, FAILED, Row, measure
from libraries.case import Case, image

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "results" / "agreement.csv"
PAGE = ROOT / "docs" / "agreement.md"
LIBRARIES = ("timm", "torchvision", "transformers", "diffusers", "segmentation_models_pytorch", "torch_geometric")
VERSIONS = TABLE.with_name("agreement_versions.json")
LIMIT_S = 300
LIMIT_BYTES = 6 << 30


def main() -> int:
    """Count what is asked for and write the table and the page."""
    options = _options()
    rows = (
        {(row.library, row.model): row for row in read(options.table)}
        if options.resume or options.recount or options.page
        else {}
    )
    if not options.page:
        _prepare()
        todo = [case for case in _cases(options) if options.recount or (case.library, case.name) not in rows]
        for row in _measured(todo, options.jobs, rows):
            rows[row.library, row.model] = row
            write(options.table, rows.values())
            _report(row)
    if options.table == TABLE:
        if not options.page:
            VERSIONS.write_text(json.dumps(_versions(), indent=2) + "\n", encoding="utf-8")
        PAGE.write_text(made_page(), encoding="utf-8")
    failed = [row for row in rows.values() if {row.eval_status, row.train_status} & {DIFFERS, FAILED}]
    print(f"{len(rows)} models, {len(failed)} of which fail or differ without a reason")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=LIBRARIES, help="a library; repeatable")
    parser.add_argument("--model", action="append", help="a model's name; repeatable")
    parser.add_argument("--sample", type=int, help="this many models of each library, evenly spread")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--resume", action="store_true", help="keep the table's rows and count what is missing")
    parser.add_argument(
        "--recount", action="store_true", help="keep the table's counts of torch, count archbench again"
    )
    parser.add_argument("--page", action="store_true", help="only make the page from the table")
    parser.add_argument("--table", type=Path, default=TABLE, help="the CSV; another than the default makes no page")
    return parser.parse_args()


def _prepare() -> None:
    """Make libraries quiet, and load what every process would load again."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(8, 8)
    )
    measure(Case("", "", lambda: net, lambda batch: image(batch, 3, 3, 3)))


def _cases(options: argparse.Namespace) -> Iterator[Case]:
    for library in options.only or LIBRARIES:
        cases = list(importlib.import_module(f"libraries.{library}_models").cases())
        if options.model:
            cases = [case for case in cases if case.name in options.model]
        if options.sample:
            cases = cases[:: max(1, len(cases) // options.sample)][: options.sample]
        yield from cases


def _measured(cases: Iterable[Case], jobs: int, earlier: dict[tuple[str, str], Row]) -> Iterator[Row]:
    """Yield the rows as they come, from up to `jobs` processes at a time."""
    running: dict[Connection, tuple[Case, Any, float]] = {}
    waiting = iter(cases)
    gc.collect()
    gc.freeze()  # collections in the processes then neither visit nor copy what they share: a fifth less time
    while True:
        while len(running) < jobs and (case := next(waiting, None)):
            _start(case, running, earlier.get((case.library, case.name)))
        if not running:
            return
        ready = wait(list(running), timeout=1)
        for connection, (case, process, deadline) in list(running.items()):
            if connection in ready or time.monotonic() > deadline:
                del running[connection]
                yield _finish(case, process, connection, connection in ready)


def _start(case: Case, running: dict[Connection, tuple[Case, Any, float]], earlier: Row | None) -> None:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_work, args=(case, earlier, sender))
    process.start()
    sender.close()
    running[receiver] = (case, process, time.monotonic() + LIMIT_S)


def _work(case: Case, earlier: Row | None, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES))
    sender.send(measure(case, earlier))


def _finish(case: Case, process: Any, connection: Connection, is_ready: bool) -> Row:
    try:
        if is_ready:
            row: Row = connection.recv()
            return row
        cause = f"not done after {LIMIT_S} s"
    except EOFError:
        process.join()
        cause = f"the process ended with {process.exitcode}"
    finally:
        process.kill()
        process.join()
        connection.close()
    return Row(case.library, case.name, eval_status=FAILED, train_status=FAILED, cause=cause)


def _report(row: Row) -> None:
    remark = f"{row.cause} {row.uncounted}"
    print(f"{row.library:13} {row.model:45} {row.eval_status:12} {row.train_status:12} {remark}"[:200], flush=True)


def made_page() -> str:
    """Return the page from the tables in results."""
    rows = read(TABLE)
    published = agreement_published.section(rows, agreement_published.read())
    return page(rows, json.loads(VERSIONS.read_text(encoding="utf-8")), published)


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("archbench", "torch", *LIBRARIES)}


def read(path: Path) -> list[Row]:
    """Return the rows of a table, or an empty list if the file does not exist."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [Row.from_record(record) for record in csv.DictReader(stream)]


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write the table, sorted by library and model."""
    order: Callable[[Row], Any] = lambda row: (LIBRARIES.index(row.library), row.model)  # noqa: E731
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in sorted(rows, key=order))


if __name__ == "__main__":
    sys.exit(main())
