"""The kinds of charts, with what they show and which options they use; loads no drawing library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChartKind:
    """One kind of chart; `takes` are its positional arguments, `options` the options of `archbench.plot` it uses."""

    name: str
    draws: str
    takes: str
    options: tuple[str, ...] = ()


_MEASURED = ("store", "device", "mode", "dtype")

_KINDS = (
    ChartKind("layers", "parameters and MACs of each layer", "MODEL...", ("inputs", "batch")),
    ChartKind(
        "memory",
        "memory at each operator, by category",
        "MODEL",
        ("inputs", "batch", "mode", "dtype", "optimizer"),
    ),
    ChartKind(
        "roofline",
        "layers under a device's ceilings",
        "MODEL --device NAME",
        ("inputs", "batch", "mode", "dtype", "device"),
    ),
    ChartKind(
        "sweep",
        "MACs against sizes, lengths or arguments",
        "MODEL... --sweep NAME=VALUES",
        ("inputs", "batch", "mode", "sweep"),
    ),
    ChartKind(
        "compare",
        "totals and layers on common scales",
        "MODEL...",
        ("inputs", "batch", "mode"),
    ),
    ChartKind("diff", "two models layer by layer, aligned", "MODEL MODEL", ("inputs", "batch", "mode")),
    ChartKind(
        "modules",
        "modules inside modules, sized by --by",
        "MODEL",
        ("inputs", "batch", "mode", "dtype", "device", "by"),
    ),
    ChartKind("receptive-field", "a unit's field growing on the input", "MODEL", ("inputs", "layer")),
    ChartKind("convolution", "arithmetic of one layer's window", "MODEL", ("inputs", "layer")),
    ChartKind(
        "accuracy",
        "accuracy against MACs or published rates",
        "[MODEL...|RUN]",
        ("published", "device", "mode", "source", "store"),
    ),
    ChartKind(
        "rates",
        "published rates against predicted ones",
        "MODEL...",
        ("inputs", "mode", "device", "source", "store"),
    ),
    ChartKind("history", "ImageNet errors and depths by year", ""),
    ChartKind("throughput", "measured images per second against batch", "[MODEL...]", _MEASURED),
    ChartKind("latency", "percentiles of measured latencies", "[MODEL...]", (*_MEASURED, "batch")),
    ChartKind(
        "profile",
        "a measured step, and its roofline",
        "MODEL",
        ("inputs", "batch", "mode", "dtype", "device"),
    ),
    ChartKind("training", "loss and accuracy by epoch", "RUN"),
    ChartKind("time", "accuracy against training time", "RUN", ("threshold",)),
    ChartKind("confusion", "what each class is taken for", "RUN"),
)

KINDS: dict[str, ChartKind] = {kind.name: kind for kind in _KINDS}
