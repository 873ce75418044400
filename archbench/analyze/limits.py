"""Check a model's totals against limits: given numbers, or those of an earlier summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The totals compared with a baseline: they may fall, not rise.
COMPARED = ("params", "macs", "flops", "param_bytes", "training_macs", "peak_inference_bytes", "peak_training_bytes")


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest permitted value of a total; `source` is the option or file that sets it."""

    quantity: str
    limit: int
    source: str


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit and its check: `excess` is negative within the limit, `verdict` is `ok` or `missed`."""

    quantity: str
    value: int
    limit: int
    excess: int
    source: str
    verdict: str


def check_limits(totals: Mapping[str, int], limits: Iterable[Limit]) -> list[LimitRow]:
    """Return one row per limit, in their order. Raises KeyError for a quantity that `totals` lacks."""
    return [_check(totals[limit.quantity], limit) for limit in limits]


def _check(value: int, limit: Limit) -> LimitRow:
    verdict = "missed" if value > limit.limit else "ok"
    return LimitRow(limit.quantity, value, limit.limit, value - limit.limit, limit.source, verdict)


def baseline_limits(baseline: Mapping[str, int], totals: Mapping[str, int], source: str) -> list[Limit]:
    """Return a limit for each compared total that both summaries have."""
    return [Limit(name, baseline[name], source) for name in COMPARED if name in baseline and name in totals]
