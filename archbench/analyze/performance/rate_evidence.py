"""The evidence for a predicted rate and its 90% interval, as data and as a phrase."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from archbench.analyze.performance.kernels import Layout

Origin = Literal["efficiency", "own rates", "own rates of another form", "other devices", "another CPU"]
Card = Literal["data-center card", "GPU of another kind"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The published and measured rates behind a prediction and its interval.

    The device's own rates cover `models` models in `families` families; `torch` is their version of torch where it is
    an old one. `lacking` names the runs for which the device has no rates ("" if it has none at all), `layout` the
    layout of its rates in another form. `card` is a kind of GPU for which the interval is widened. `unseen` lists
    properties of the run that no published rate has, `rare` those that few have. `corrections` is the
    number of rates measured on the device, `measured_in` their mode, precision, layout and form if the predicted run
    has others.
    """

    origin: Origin
    efficiency: float = 0.0
    models: int = 0
    families: int = 0
    torch: str = ""
    lacking: str = ""
    layout: Layout = "nchw"
    card: Card | None = None
    unseen: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()
    corrections: int = 0
    measured_in: str = ""


def merged(several: Sequence[Evidence]) -> Evidence:
    """Return the evidence for several predictions on one device, with all that is unseen or rare in any of them."""
    unseen = dict.fromkeys(what for evidence in several for what in evidence.unseen)
    rare = dict.fromkeys(what for evidence in several for what in evidence.rare)
    return replace(several[0], unseen=tuple(unseen), rare=tuple(rare))


def phrase(evidence: Evidence) -> str:
    """Return one short phrase about the rates behind an interval."""
    return "; ".join(filter(None, (_origin(evidence), _wider(evidence), _corrected(evidence))))


def _origin(evidence: Evidence) -> str:
    lacking = f"no published {evidence.lacking} rates" if evidence.lacking else "no published rates"
    match evidence.origin:
        case "efficiency":
            return f"efficiency {evidence.efficiency:g} as given, without an interval"
        case "own rates":
            known = f"90% interval from {evidence.models:,} models of {evidence.families} families on this device"
            return f"{known}, torch {evidence.torch}" if evidence.torch else known
        case "own rates of another form":
            return f"{lacking} for this device: 90% interval from other devices and its {evidence.layout} rates"
        case "other devices":
            widened = f", widened for a {evidence.card}" if evidence.card else ""
            return f"{lacking} for this device: 90% interval from other devices{widened}"
        case "another CPU":
            return f"{lacking} for this CPU: 90% interval from another one"


def _wider(evidence: Evidence) -> str:
    reasons = [f"no rates for {_listed(evidence.unseen)}"] if evidence.unseen else []
    reasons += [f"few rates for {_listed(evidence.rare)}"] if evidence.rare else []
    return f"wider: {', '.join(reasons)}" if reasons else ""


def _corrected(evidence: Evidence) -> str:
    number = evidence.corrections
    if not number:
        return ""
    runs = f" ({evidence.measured_in})" if evidence.measured_in else ""
    return f"corrected by {number} rate{'' if number == 1 else 's'} measured here{runs}"


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
