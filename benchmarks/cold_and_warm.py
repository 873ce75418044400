"""Compare cold workers of `archbench bench`, which are new interpreters, with warm ones, forked from one with torch.

    python benchmarks/cold_and_warm.py [--models lenet alexnet] [--rounds 15]
    python benchmarks/cold_and_warm.py --sweep [--models lenet alexnet vgg16] [--threads 1] [--max-seconds 60]

Each round starts workers in the order cold, warm, warm, cold, or the reverse. A worker's time is the lower quartile
of the CPU times of a forward pass with one thread, which other programs on the machine affect little. Printed are the
ratios of warm to cold, and of cold to cold, with their 95% intervals; by how much workers of a kind differ; and how
long they take to start. With `--sweep` models are measured as by `archbench bench`, and the shares of the wall time
in starting, building and measuring (with warm-up) are printed.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

from archbench.host.cpu import cpu_name
from archbench.measure.bench.sweep import configurations
from archbench.measure.worker.client import Failure, run_request
from archbench.measure.worker.forks import forked_workers
from archbench.measure.worker.request import Request, RunOptions
from archbench.statistics.pairs import compare_pairs
from archbench.store.records import Configuration

# Two pairs in ABBA order.
FIRST, SECOND = ("cold", "warm"), ("warm", "cold")
_STEPS = 2000
_SECONDS = 1.5
# The first step is run by archbench, the second times others.
_PROBE = """
import json, time
from pathlib import Path
from torch import nn
from archbench.models.address import find

class Probe(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = find("{model}").build_with_data()
        self.calls = 0

    def forward(self, *inputs):
        self.calls += 1
        if self.calls == 2:
            end, times = time.process_time() + {seconds}, []
            while len(times) < {steps} and time.process_time() < end:
                start = time.process_time_ns()
                self.inner(*inputs)
                times.append(time.process_time_ns() - start)
            Path(__file__).with_name("times.json").write_text(json.dumps(times))
        return self.inner(*inputs)
"""
_PHASES = ("start", "building", "measuring")


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["lenet", "alexnet"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--max-seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    if arguments.sweep:
        todo = configurations(arguments.models, kind="cpu", device=cpu_name(), threads=arguments.threads)
        for is_warm in (False, True):
            for line in shares(todo, RunOptions(arguments.max_seconds, processes=5), is_warm=is_warm):
                print(line, flush=True)
        return
    for model in arguments.models:
        for line in comparison(model, arguments.rounds):
            print(line, flush=True)


def comparison(model: str, num_rounds: int) -> Iterator[str]:
    """Yield lines that compare cold with warm workers of a model."""
    rounds: dict[str, list[list[float]]] = {"cold": [], "warm": []}
    starts_s: dict[str, list[float]] = {"cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as folder, forked_workers():
        probe = Probe(Path(folder), model)
        probe.run("warm")  # starts the server
        for number in range(num_rounds):
            order = (FIRST, SECOND) if number % 2 else (SECOND, FIRST)
            runs = [(kind, *probe.run(kind)) for kind in chain(*order)]
            for kind in rounds:
                rounds[kind].append([step_s for name, step_s, _ in runs if name == kind])
                starts_s[kind] += [start_s for name, _, start_s in runs if name == kind]
    first, again = ([[samples[place]] for samples in rounds["cold"]] for place in (0, 1))
    for name, a, b in (("warm / cold", rounds["cold"], rounds["warm"]), ("cold / cold", first, again)):
        result = compare_pairs(a, b)
        yield f"{model}, {num_rounds} rounds, {name}: {result.ratio:.4f} ({result.low:.4f} to {result.high:.4f})"
    for kind in ("cold", "warm"):
        deviation = statistics.fmean(math.log(a / b) ** 2 / 2 for a, b in rounds[kind]) ** 0.5
        yield f"  {kind}: workers differ by {deviation:.2%}, start in {statistics.median(starts_s[kind]):.3f} s"


class Probe:
    """Runs a model that writes the CPU times of its forward pass, in new workers."""

    def __init__(self, folder: Path, model: str) -> None:
        (only,) = configurations([model], kind="cpu", device=cpu_name(), threads=1)
        (folder / "probe.py").write_text(_PROBE.format(model=model, steps=_STEPS, seconds=_SECONDS), "utf-8")
        self._times = folder / "times.json"
        self._configuration = replace(only, model=f"{folder / 'probe.py'}:Probe")

    def run(self, kind: str) -> tuple[float, float]:
        """Return the time of a step, and the time from the start of the worker to its first line, in seconds."""
        events = [time.perf_counter()]
        context = copy_context() if kind == "warm" else Context()  # which has no server
        request = Request("memory", self._configuration)
        answer = context.run(run_request, request, lambda _: events.append(time.perf_counter()))
        if isinstance(answer, Failure):
            raise SystemExit(answer.reason)
        times_ns = sorted(json.loads(self._times.read_text("utf-8")))
        return times_ns[len(times_ns) // 4] / 1e9, events[1] - events[0]


def shares(todo: Sequence[Configuration], options: RunOptions, *, is_warm: bool) -> Iterator[str]:
    """Yield the shares of the wall time by model, and of all."""
    total = dict.fromkeys(_PHASES, 0.0)
    start = time.perf_counter()
    with ExitStack() as stack:
        if is_warm:
            stack.enter_context(forked_workers())
        for configuration in todo:
            spent = _spent_s(configuration, options)
            total = {name: total[name] + spent[name] for name in _PHASES}
            yield f"{configuration.model:12} {_line(spent)}"
    wall_s = time.perf_counter() - start
    share = total["measuring"] / wall_s
    yield f"{'warm' if is_warm else 'cold'}: {_line(total)}; {share:.1%} of {wall_s:.1f} s measuring"


def _spent_s(configuration: Configuration, options: RunOptions) -> dict[str, float]:
    """Return the time that the processes of a configuration spend starting, building and measuring."""
    spent = dict.fromkeys(_PHASES, 0.0)
    for number in range(options.processes):
        times = [("start", time.perf_counter())]
        answer = run_request(Request("measure", configuration, options, number), partial(_note, times))
        if isinstance(answer, Failure):
            raise SystemExit(answer.reason)
        times.append(("", time.perf_counter()))
        for (name, begin), (_, end) in pairwise(times):
            spent["measuring" if name == "latency" else name] += end - begin
        spent["building"] -= answer["first_step_s"]  # which warms up
        spent["measuring"] += answer["first_step_s"]
    return spent


def _note(times: list[tuple[str, float]], phase: str) -> None:
    times.append((phase, time.perf_counter()))


def _line(spent: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f} s ({value / sum(spent.values()):.1%})" for name, value in spent.items())


if __name__ == "__main__":
    main()
