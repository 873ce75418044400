"""Print how often the intervals and verdicts of measurements hold, from simulated samples with a fixed seed.

    python benchmarks/coverage.py [--trials 400]

A 95% interval holds in 95% of trials if it is exact; with 400 trials, 92.8 to 97.2% are in keeping with that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from simulations import coverage_of_one_process, coverage_of_processes, training_verdicts, verdicts

CORRELATIONS = (0.0, 0.3, 0.5, 0.8, 0.95)
SPREADS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)


def one_process(trials: int) -> Iterator[str]:
    """Yield the table of one process's median by its number of samples and their correlation."""
    yield "The median of one process: trials whose interval holds it / trials that are flagged, by lag-1 correlation"
    yield "samples " + "".join(f"{correlation:>14}" for correlation in CORRELATIONS)
    for count in (10, 30, 50, 200):
        cells = (coverage_of_one_process(count, correlation, trials=trials) for correlation in CORRELATIONS)
        yield f"{count:<8}" + "".join(f"{cell.covered:>7.1%} /{cell.flagged:>4.0%} " for cell in cells)


def processes(trials: int) -> Iterator[str]:
    """Yield the table of five processes' median by their spread and the correlation of their samples."""
    yield "The median of five processes of ten samples: trials whose interval holds it, by lag-1 correlation"
    yield "spread  " + "".join(f"{correlation:>8}" for correlation in CORRELATIONS)
    for spread in SPREADS:
        cells = (coverage_of_processes(spread, correlation, trials=trials) for correlation in CORRELATIONS)
        yield f"{spread:<8.1%}" + "".join(f"{cell.covered:>8.1%}" for cell in cells)


def ab_tests(trials: int) -> Iterator[str]:
    """Yield the table of A/B tests by the spread of processes and B's slowdown."""
    yield "A/B tests of 7 rounds of 3 pairs: p < 0.05, interval holds, called different"
    yield "spread      B's time    p < 0.05   interval  different"
    for spread in SPREADS:
        for ratio in (1.0, 1.02, 1.05, 1.1):
            found = verdicts(spread, ratio, trials=trials)
            yield f"{spread:<12.1%}{ratio:<8}{found.significant:>12.1%}{found.covered:>11.1%}{found.different:>11.1%}"


def trainings(trials: int) -> Iterator[str]:
    """Yield the table of training verdicts by the number of models and seeds."""
    yield "Trained models, 10,000 images, 0.5 points over seeds: any false claim, interval holds, decided, half-width"
    yield "accuracies             seeds     false  interval   decided  half-width"
    for accuracies in ((0.6, 0.6), (0.6, 0.61), (0.6, 0.62), (0.6,) * 5, (0.6, 0.61, 0.62, 0.64, 0.7)):
        for seeds in (1, 2, 3, 5, 10):
            found = training_verdicts(seeds, accuracies, trials=trials)
            name = " ".join(f"{100 * accuracy:.0f}" for accuracy in accuracies)
            fractions = f"{found.false:>10.1%}{found.covered:>10.1%}{found.decided:>10.1%}"
            yield f"{name:<24}{seeds:>4}{fractions}{100 * found.half_width:>12.2f}"


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    trials = parser.parse_args().trials
    for table in (one_process, processes, ab_tests, trainings):
        print(*table(trials), "", sep="\n")


if __name__ == "__main__":
    main()
