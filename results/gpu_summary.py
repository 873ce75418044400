"""The summary of `results/gpu.py` as markdown: what failed, and predicted beside measured figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from archbench.units import format_bytes, format_measure, format_percent
from results.gpu_tables import Row, Tables

# What a prediction of memory is expected to be off by (docs/predicting.md).
_MEMORY_ERROR = {"nhwc": 0.03, "nchw": 0.15}
# The configuration whose part of the measured ceiling tells most.
_FASTEST = "vgg16, eval, batch 256, bf16, nhwc, compiled"


def summary(tables: Tables) -> str:
    """Return the summary."""
    environment = tables.environment
    device = environment.get("gpu_name") or environment.get("cpu_name")
    versions = (f"{name} {environment.get(name) or 'unknown'}" for name in ("driver", "cuda", "torch", "commit"))
    sections = [_checks(tables), _memory(tables), _throughput(tables), _training(tables)]
    return (
        "\n".join([f"# {device}", "", ", ".join(versions), *(line for section in sections for line in section)]) + "\n"
    )


def _checks(tables: Tables) -> Iterator[str]:
    rows = list(tables.rows["checks"].values())
    if rows:
        yield from _section("Every path once", ["check", "status", "figures"])
        for row in rows:
            yield _line([row["step"], _status(row), _figures(row["figures"])])


def _figures(text: str) -> str:
    figures = json.loads(text or "{}").items()
    return ", ".join(f"{name} {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in figures)


def _memory(tables: Tables) -> Iterator[str]:
    rows = list(tables.rows["memory"].values())
    if rows:
        yield from _section("Peak memory", ["configuration", "predicted", "measured", "ratio", "as expected"])
    for row in rows:
        if row["status"] != "ok":
            yield _line([row["step"], _status(row), "", "", ""])
            continue
        predicted, measured = int(row["predicted_bytes"]), int(row["measured_bytes"])
        ratio, allowed = predicted / measured, _MEMORY_ERROR[row["step"].rpartition(", ")[2]]
        holds = f"{_yes(abs(ratio - 1) <= allowed)} (within {format_percent(allowed)})"
        yield _line([row["step"], format_bytes(predicted), format_bytes(measured), f"{ratio:.3f}", holds])


def _throughput(tables: Tables) -> Iterator[str]:
    rows = list(tables.rows["throughput"].values())
    if not rows:
        return
    yield from _section(
        "Images per second", ["configuration", "predicted", "measured", "ratio", "interval held", "flags"]
    )
    held = []
    for row in rows:
        if not row["images_per_s"]:
            yield _line([row["step"], "", _status(row), "", "", row["flags"]])
            continue
        measured = float(row["images_per_s"])
        flags = row["flags"] if row["status"] == "ok" else "; ".join(filter(None, (_status(row), row["flags"])))
        if not row["predicted"]:
            yield _line([row["step"], "", format_measure(measured), "", "", flags])
            continue
        predicted, low, high = (float(row[name]) for name in ("predicted", "predicted_low", "predicted_high"))
        held.append(low <= measured <= high)
        shown = f"{format_measure(predicted)} ({format_measure(low)} to {format_measure(high)})"
        cells = [row["step"], shown, format_measure(measured), f"{predicted / measured:.2f}", _yes(held[-1]), flags]
        yield _line(cells)
    yield from ("", f"The 90% interval held in {sum(held)} of {len(held)} predictions.", *_of_ceiling(tables))


def _of_ceiling(tables: Tables) -> Iterator[str]:
    """Yield the part of the measured matrix ceiling that the fastest configuration reaches."""
    fastest = tables.rows["throughput"].get(_FASTEST, {}).get("flop_per_s")
    figures = {k: v for row in tables.rows["checks"].values() for k, v in json.loads(row["figures"] or "{}").items()}
    ceiling = figures.get("bf16_flop_per_s")
    if fastest and ceiling:
        yield f"{_FASTEST}: {format_percent(float(fastest) / ceiling)} of the measured matrix ceiling in bf16."


def _training(tables: Tables) -> Iterator[str]:
    rows = list(tables.rows["training"].values())
    if rows:
        heads = ["model", "input", "epochs", "top-1", "95% interval", "images/s", "its own step", "ratio"]
        yield from _section("Training", heads)
    for row in rows:
        if not row["top1_mean"] or not row["images_per_s"] or not row["step_images_per_s"]:
            yield _line([row["step"], _status(row), *[""] * 6])
            continue
        rate, step = float(row["images_per_s"]), float(row["step_images_per_s"])
        top1, *ends = (format_percent(float(row[name] or "nan")) for name in ("top1_mean", "top1_low", "top1_high"))
        cells = [row["step"], row["input_shape"], row["epochs"], top1, " to ".join(ends)]
        yield _line([*cells, format_measure(rate), format_measure(step), format_percent(rate / step)])


def _section(title: str, heads: Sequence[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", _line(heads), _line(["---"] * len(heads)))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _status(row: Row) -> str:
    return row["status"] if row["status"] == "ok" else f"{row['status']}: {row['reason']}"


def _yes(flag: bool) -> str:
    return "yes" if flag else "**no**"
