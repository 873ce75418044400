"""Whether a model keeps within limits: its totals against numbers, or against an earlier summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The totals that a baseline holds a model to: they may fall, not rise.
COMPARED = ("params", "macs", "flops", "param_bytes", "training_macs", "peak_inference_bytes", "peak_training_bytes")


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest value that a total may have, and who set it."""

    quantity: str
    limit: int
    source: str


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit and what became of it; `excess` is negative where there is room left. verdict: `ok` or `missed`."""

    quantity: str
    value: int
    limit: int
    excess: int
    source: str
    verdict: str


def check_limits(totals: Mapping[str, int], limits: Iterable[Limit]) -> list[LimitRow]:
    """Return one row a limit, in their order; a total that `totals` does not have raises KeyError."""
    return [
        LimitRow(
            quantity=limit.quantity,
            value=totals[limit.quantity],
            limit=limit.limit,
            excess=totals[limit.quantity] - limit.limit,
            source=limit.source,
            verdict="missed" if totals[limit.quantity] > limit.limit else "ok",
        )
        for limit in limits
    ]


def baseline_limits(baseline: Mapping[str, int], totals: Mapping[str, int], source: str) -> list[Limit]:
    """Return a limit for each total that both an earlier summary and this one have."""
    return [Limit(name, baseline[name], source) for name in COMPARED if name in baseline and name in totals]
