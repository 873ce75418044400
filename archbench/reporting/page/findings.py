"""The findings at the top of a report: how models differ, as sentences with numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from archbench.analyze.claims import Judged
from archbench.analyze.layers import LayerTable
from archbench.reporting.charts.layer_types import category_of
from archbench.reporting.page.measures import Measure
from archbench.reporting.tables.wording import listed, several
from archbench.units import format_percent

_MOST_COMPARED = 5  # models that are compared with the first, one sentence each
_AS_MANY = 0.05  # ratios within this of 1 are called equal
_LARGEST = {"parameters": "most parameters", "MACs": "most MACs"} | {
    f"{kind} rate": f"highest {kind} rate" for kind in ("measured", "predicted")
}
_KINDS = {"convolution": "convolutions", "fully connected": "fully connected layers"}


def findings(names: Sequence[str], tables: Sequence[LayerTable], measures: Sequence[Measure]) -> Iterator[str]:
    """Yield the findings: for one model where its figures lie, for a few ratios to the first, for many the extremes.

    `measures` have a value for each of the names.
    """
    if len(names) == 1:
        yield from where_it_lies(tables[0], names[0])
    elif len(names) <= _MOST_COMPARED:
        yield from (_against_first(names, measures, number) for number in range(1, len(names)))
    else:
        yield from _extremes(names, measures)


def where_it_lies(table: LayerTable, name: str) -> Iterator[str]:
    """Yield a sentence on the kinds of layers with most parameters and most MACs; none for a model without any."""
    parts: list[str] = []
    named = ""
    for field, noun in (("params", "parameters"), ("macs", "MACs")):
        total = sum(getattr(row, field) for row in table.rows)
        if not total:
            continue
        sums: defaultdict[str, int] = defaultdict(int)
        for row in table.rows:
            sums[category_of(row.type)] += getattr(row, field)
        kind = max(sums, key=lambda kind: sums[kind])
        largest = max(table.rows, key=lambda row: getattr(row, field))
        share, alone = (format_percent(value / total) for value in (sums[kind], getattr(largest, field)))
        layers = "they" if kind == named else _KINDS.get(kind, f"{kind} layers")
        named = kind
        parts.append(f"{layers} have {share} of the {noun} ({largest.name} alone {alone})")
    if parts:
        yield f"In {name}, {listed(parts)}."


def _against_first(names: Sequence[str], measures: Sequence[Measure], number: int) -> str:
    parts = _ratios(measures, number, 0, names[0])
    for measure in measures:
        first, value = measure.values[0], measure.values[number]
        if measure.is_percent and first is not None and value is not None:
            parts.append(_points(value - first, measure.noun))
    return f"{names[number]}: {', '.join(parts)}."


def _ratios(measures: Sequence[Measure], number: int, base: int, base_name: str) -> list[str]:
    """Return `2.3 times alexnet's parameters`, `21 times its MACs`, for each measure that both models have."""
    parts: list[str] = []
    for measure in measures:
        value, other = measure.values[number], measure.values[base]
        if measure.is_percent or not value or not other:
            continue
        ratio = value / other
        if abs(ratio - 1) <= _AS_MANY:
            parts.append(f"about the same {measure.noun}{'' if parts else f' as {base_name}'}")
            continue
        owner = "its" if parts else f"{base_name}'s"
        parts.append(f"{_times(ratio)} {owner} {measure.noun}")
    return parts


def _times(ratio: float) -> str:
    """Return `2.3 times`, `21 times`, `0.42 times` or `1/870 of`."""
    if ratio < 0.095:
        return f"1/{float(f'{1 / ratio:.2g}'):,.0f} of"
    decimals = 2 if ratio < 0.995 else 1 if ratio < 9.95 else 0
    return f"{ratio:,.{decimals}f} times"


def _points(difference: float, noun: str) -> str:
    """Return `10.1 points less top-5 error`."""
    if not round(difference, 1):
        return f"the same {noun}"
    return f"{abs(difference):.1f} points {'less' if difference < 0 else 'more'} {noun}"


def _extremes(names: Sequence[str], measures: Sequence[Measure]) -> Iterator[str]:
    """Yield the largest of each measure, and the model with the least error against the one with most parameters."""
    leaders = {}
    for measure in measures:
        known = [number for number, value in enumerate(measure.values) if value is not None]
        if measure.is_percent:
            best = min(known, key=lambda number: measure.values[number] or 0)
            yield f"{names[best]} has the smallest {measure.noun}, {measure.text(best)}{_price(names, measures, best)}."
        else:
            leaders[measure] = max(known, key=lambda number: measure.values[number] or 0)
    by_model = {number: [m for m, leader in leaders.items() if leader == number] for number in leaders.values()}
    for number, own in by_model.items():
        parts = [
            f"the {_LARGEST.get(measure.noun, f'largest {measure.noun}')} ({measure.text(number)})" for measure in own
        ]
        yield f"{names[number]} has {listed(parts)}."


def _price(names: Sequence[str], measures: Sequence[Measure], best: int) -> str:
    """Return a model's parameters and MACs as ratios to the model with most parameters."""
    counts = [measure for measure in measures if measure.is_count]
    largest = max(range(len(names)), key=lambda number: counts[0].values[number] or 0)
    ratios = [] if largest == best else _ratios(counts, best, largest, names[largest])
    return f", with {listed(ratios)}" if ratios else ""


def claims_sentence(claims: Sequence[Judged]) -> str:
    """Return how many published figures agree with what is computed, and what it means where they do not."""
    verdicts = Counter(claim.verdict for claim in claims)
    judged, different = len(claims) - verdicts["shown"], verdicts["contradicts"]
    stated = f"{several(judged, 'figure')} that papers and lectures state"
    if not different:
        return f"The counts here agree within 5% with the {stated}."
    return (
        f"The counts here agree within 5% with {judged - different} of the {stated}; the other"
        f" {different}, marked 'contradicts', {'does' if different == 1 else 'do'} not fit the models as built here."
    )
