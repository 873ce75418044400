"""What can be plotted: the one list that the command's help, its completion and its errors read."""

from __future__ import annotations

from dataclasses import dataclass

from archbench.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of chart: what it draws, what it is drawn of, and which of the command's options it understands."""

    name: str
    draws: str
    of: str
    options: tuple[str, ...] = ()


_KINDS = (
    Kind("layers", "parameters and MACs of each layer, as mirrored bars", "MODEL...", ("input", "batch")),
    Kind(
        "memory",
        "what occupies memory at each operator, and its peak",
        "MODEL",
        ("input", "batch", "mode", "dtype", "optimizer"),
    ),
    Kind(
        "roofline",
        "layers under a device's ceilings",
        "MODEL --device NAME",
        ("input", "batch", "mode", "dtype", "device"),
    ),
    Kind("accuracy", "accuracy of a run, or published error, against MACs; area is parameters", "[MODEL...|RUN]"),
    Kind("throughput", "measured images a second against batch", "[MODEL...]", ("store", "device", "mode", "dtype")),
    Kind(
        "latency",
        "percentiles of measured latencies",
        "[MODEL...]",
        ("store", "device", "mode", "dtype", "batch"),
    ),
    Kind("training", "loss and accuracy by epoch, with the spread over seeds", "RUN"),
    Kind("time", "accuracy against training time, and when thresholds were reached", "RUN", ("threshold",)),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}


def find_kind(name: str) -> Kind:
    """Return the kind of that name. Raises UsageError, naming the nearest, if there is none."""
    if name not in KINDS:
        raise UsageError(f"there is no chart '{name}'; there are {', '.join(KINDS)}{nearest(name, KINDS)}")
    return KINDS[name]
