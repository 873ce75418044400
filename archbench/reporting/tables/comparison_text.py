"""Comparison of trained models as sentences that claim no more than the intervals show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archbench.reporting.tables.wording import listed, several
from archbench.store.accuracy import Accuracy
from archbench.training.comparison import Comparison, Standing
from archbench.training.resolution import Resolution
from archbench.units import format_integer, format_ratio

# Costs within this ratio count as equal.
_SAME_COST = 1.01
_OPPOSITE: dict[Standing, Standing] = {"better": "worse", "worse": "better", "undecided": "undecided"}


def verdict(
    accuracies: Sequence[Accuracy],
    comparisons: Sequence[Comparison],
    resolution: Resolution | None = None,
    protocol: str = "",
) -> tuple[str, ...]:
    """Return sentences: which model learns better at which cost, what cannot be decided, which models did not learn.

    `comparisons` are those of `compare_models`; `resolution` adds how many seeds would show small differences, and
    `protocol` begins the first comparison with how learning rates were set. Models whose status is not `ok` are left
    out of the comparisons, since an accuracy at chance does not measure the model.
    """
    learned = sorted((row for row in accuracies if row.status == "ok"), key=_mean, reverse=True)
    by_models = {(pair.a, pair.b): pair for comparison in comparisons for pair in (comparison, _reversed(comparison))}
    used = [
        (a, b, by_models[a.model, b.model])
        for index, a in enumerate(learned)
        for b in learned[index + 1 :]
        if (a.model, b.model) in by_models
    ]
    sentences = [sentence for a in learned for sentence in _sentences(a, [pair for pair in used if pair[0] is a])]
    if sentences and protocol:
        sentences[0] = f"{protocol[0].upper()}{protocol[1:]}: {sentences[0]}"
    failures = [_failure(row) for row in accuracies if row.status != "ok"]
    seeds = [resolution_text(resolution)] if resolution is not None and used else []
    return (*sentences, *_reservations([comparison for *_, comparison in used]), *seeds, *failures)


def resolution_text(resolution: Resolution) -> str:
    """Return how many seeds per model would show small differences, such as "1 point needs 8 seeds per model"."""
    spread, images = (f"{100 * value:.1f}" for value in (resolution.seed_spread, resolution.image_error))
    needed = [
        f"{several(round(100 * difference), 'point')} needs {several(seeds, 'seed')} per model"
        if seeds is not None
        else f"{several(round(100 * difference), 'point')} cannot be shown on {several(resolution.num_images, 'image')}"
        for difference, seeds in resolution.seeds.items()
    ]
    given = "Assuming" if resolution.is_assumed else "With"
    return (
        f"{given} a spread of {spread} points over seeds, and of {images} by the choice of test images, a difference of"
        f" {'; one of '.join(needed)}."
    )


def _mean(row: Accuracy) -> float:
    return row.top1_mean or 0.0


def _reversed(comparison: Comparison) -> Comparison:
    """Return the same comparison with A and B exchanged."""
    return replace(
        comparison,
        a=comparison.b,
        b=comparison.a,
        seeds_a=comparison.seeds_b,
        seeds_b=comparison.seeds_a,
        difference=-comparison.difference,
        low=-comparison.high,
        high=-comparison.low,
        standing=_OPPOSITE[comparison.standing],
    )


def _sentences(a: Accuracy, pairs: Sequence[tuple[Accuracy, Accuracy, Comparison]]) -> list[str]:
    """Return the sentences on one model against those of a lower accuracy."""
    better = [_better(a, b, comparison) for _, b, comparison in pairs if comparison.standing == "better"]
    sentences = []
    if better:
        is_single = any(1 in (comparison.seeds_a, comparison.seeds_b) for *_, comparison in pairs)
        network = "The network trained with one seed, " if is_single else ""
        verb = ", did better" if is_single else " learns better"
        sentences.append(f"{network}{a.model} ({_mean(a):.3f}){verb} on {a.data} than {listed(better)}.")
    undecided = [(b, comparison) for _, b, comparison in pairs if comparison.standing != "better"]
    return sentences + [_no_difference(a, b, comparison) for b, comparison in undecided]


def _better(a: Accuracy, b: Accuracy, comparison: Comparison) -> str:
    ratio = a.macs / b.macs if a.macs and b.macs else None
    cost = ""
    if ratio is not None and ratio > _SAME_COST:
        cost = f"; for {format_ratio(ratio)} the MACs"
    elif ratio is not None and ratio < 1 / _SAME_COST:
        cost = f"; with {format_ratio(ratio)} the MACs, so it gets more for its cost"
    return f"{b.model} ({_mean(b):.3f}; {_evidence(comparison)}{cost})"


def _no_difference(a: Accuracy, b: Accuracy, comparison: Comparison) -> str:
    seeds = max(comparison.seeds_a, comparison.seeds_b)
    sample = f"{several(seeds, 'seed')} and {several(comparison.num_images, 'image')}"
    (few, cheap), (many, expensive) = sorted((row.macs or 0, row.model) for row in (a, b))
    cost = ""
    if few and many / few > _SAME_COST:
        cost = f" {expensive} takes {format_ratio(many / few)} the MACs of {cheap}."
    return (
        f"No difference that {sample} can show between {a.model} ({_mean(a):.3f}) and {b.model} ({_mean(b):.3f};"
        f" {_evidence(comparison)}).{cost}"
    )


def _evidence(comparison: Comparison) -> str:
    if (comparison.seeds_a, comparison.seeds_b) == (1, 1):
        return f"McNemar p {'< 0.001' if comparison.p_value < 0.001 else f'= {comparison.p_value:.3f}'}"
    return f"difference {comparison.low:+.3f} to {comparison.high:+.3f}"


def _reservations(used: Sequence[Comparison]) -> list[str]:
    """Return the sentences on what the intervals and p-values mean."""
    if not used:
        return []
    num_pairs = used[0].num_pairs
    corrected = f", corrected for {format_integer(num_pairs)} pairs" if num_pairs > 1 else ""
    sentences = []
    if any((comparison.seeds_a, comparison.seeds_b) != (1, 1) for comparison in used):
        sentences.append(f"Differences are 95% intervals{corrected}: over seeds and over test images.")
    elif corrected:
        sentences.append(f"p is{corrected[1:]}.")
    if any(1 in (comparison.seeds_a, comparison.seeds_b) for comparison in used):
        sentences.append("One seed tells about that trained network alone; another seed may end otherwise.")
    return sentences


def _failure(row: Accuracy) -> str:
    """Return why a model is not compared."""
    if row.status == "chance" and _is_above_chance(row):
        return (
            f"{row.model} ended at chance with some of its seeds and learned with others (top-1 {_mean(row):.3f} on"
            " average), and is not compared."
        )
    if row.status == "chance":
        top1 = "" if row.top1_mean is None else f" (top-1 {row.top1_mean:.3f}, guessing gives {row.chance_top1:.3f})"
        return (
            f"{row.model} is stuck at chance{top1}: it did not start to learn with this recipe in this time, which is"
            " no verdict on the architecture."
        )
    ended = "was interrupted" if row.status == "interrupted" else row.status
    if row.top1_mean is not None:
        seeds = several(row.seeds, "seed")
        return f"{row.model} {ended}, but not with all seeds: its accuracy is of {seeds}, and is not compared."
    if row.status == "diverged":
        return f"{row.model} diverged: its loss is no finite number any more, so there is no accuracy to compare."
    return f"{row.model} {ended} and is not compared."


def _is_above_chance(row: Accuracy) -> bool:
    return row.top1_low is not None and row.chance_top1 is not None and row.top1_low > row.chance_top1
