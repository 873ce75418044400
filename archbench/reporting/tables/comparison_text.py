"""What a comparison of trained models shows, in plain sentences that claim no more than the intervals do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archbench.reporting.tables.wording import listed, several
from archbench.training.run_dir.records import Accuracy
from archbench.training.statistics import Comparison, Standing
from archbench.units import format_integer, format_ratio

# Costs that are closer to each other are called the same.
_SAME_COST = 1.01
_OPPOSITE: dict[Standing, Standing] = {"better": "worse", "worse": "better", "undecided": "undecided"}


def verdict(accuracies: Sequence[Accuracy], comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Return the sentences: who learns better than whom and at which cost, what cannot be told, who did not learn.

    `comparisons` are those of `compare_models`; pairs with a model whose status is not `ok` are left out, since an
    accuracy at chance is no measure of the model.
    """
    learned = sorted((row for row in accuracies if row.status == "ok"), key=_mean, reverse=True)
    pairs = {(found.a, found.b): found for one in comparisons for found in (one, _turned(one))}
    used = [
        (a, b, pairs[a.model, b.model])
        for place, a in enumerate(learned)
        for b in learned[place + 1 :]
        if (a.model, b.model) in pairs
    ]
    said = [sentence for a in learned for sentence in _sentences(a, [pair for pair in used if pair[0] is a])]
    failed = [_failure(row) for row in accuracies if row.status != "ok"]
    return (*said, *_reservations([found for *_, found in used]), *failed)


def _mean(row: Accuracy) -> float:
    return row.top1_mean or 0.0


def _turned(found: Comparison) -> Comparison:
    """Return the same comparison as B's against A."""
    return replace(
        found,
        a=found.b,
        b=found.a,
        seeds_a=found.seeds_b,
        seeds_b=found.seeds_a,
        difference=-found.difference,
        low=-found.high,
        high=-found.low,
        standing=_OPPOSITE[found.standing],
    )


def _sentences(a: Accuracy, pairs: Sequence[tuple[Accuracy, Accuracy, Comparison]]) -> list[str]:
    """Say what is known of one model against those that came to less."""
    better = [_against(a, b, found) for _, b, found in pairs if found.standing == "better"]
    undecided = [(b, found) for _, b, found in pairs if found.standing != "better"]
    said = []
    if better:
        is_single = any(found.p_value is not None for *_, found in pairs)
        verb = "did better" if is_single else "learns better"
        said.append(f"{a.model} ({_mean(a):.3f}) {verb} on {a.data} than {listed(better)}.")
    said += [_no_difference(a, b, found) for b, found in undecided]
    return said


def _against(a: Accuracy, b: Accuracy, found: Comparison) -> str:
    ratio = a.macs / b.macs if a.macs and b.macs else None
    cost = ""
    if ratio is not None and ratio > _SAME_COST:
        cost = f"; for {format_ratio(ratio)} the MACs"
    elif ratio is not None and ratio < 1 / _SAME_COST:
        cost = f"; with {format_ratio(ratio)} the MACs, so it gets more for its cost"
    return f"{b.model} ({_mean(b):.3f}; {_evidence(found)}{cost})"


def _no_difference(a: Accuracy, b: Accuracy, found: Comparison) -> str:
    seeds = max(found.seeds_a, found.seeds_b)
    shown_by = f"{several(seeds, 'seed')} and {several(found.num_images, 'image')}"
    cheap, dear = sorted((a, b), key=lambda row: row.macs)
    cost = ""
    if cheap.macs and dear.macs / cheap.macs > _SAME_COST:
        cost = f" {dear.model} takes {format_ratio(dear.macs / cheap.macs)} the MACs of {cheap.model}."
    return (
        f"No difference that {shown_by} can show between {a.model} ({_mean(a):.3f}) and {b.model} ({_mean(b):.3f};"
        f" {_evidence(found)}).{cost}"
    )


def _evidence(found: Comparison) -> str:
    if found.p_value is not None:
        return f"McNemar p {'< 0.001' if found.p_value < 0.001 else f'= {found.p_value:.3f}'}"
    return f"difference {found.low:+.3f} to {found.high:+.3f}"


def _reservations(used: Sequence[Comparison]) -> list[str]:
    said = []
    if any(found.p_value is None for found in used):
        num_pairs = used[0].num_pairs
        together = f", of all {format_integer(num_pairs)} pairs together" if num_pairs > 1 else ""
        said.append(f"Differences are 95% intervals{together}: over seeds and over test images.")
    elif used and used[0].num_pairs > 1:
        said.append(f"p is corrected for {format_integer(used[0].num_pairs)} pairs.")
    if any(1 in (found.seeds_a, found.seeds_b) for found in used):
        said.append("What rests on one seed is said of that trained network; another seed may come to another end.")
    return said


def _failure(row: Accuracy) -> str:
    """Say what became of a model that is not compared; its status is the gravest of its seeds'."""
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
