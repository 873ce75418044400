"""Two models as aligned columns of layers, joined where a layer has a partner, with bars of parameters and MACs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import altair as alt

from archbench.reporting.charts.theme import layered, titled, values
from archbench.reporting.drawings.canvas import text_width
from archbench.reporting.tables.diff import follows, own_changes
from archbench.units import format_change, format_count

if TYPE_CHECKING:
    from archbench.analyze.diff import DifferenceRow
    from archbench.analyze.layers import LayerRow
    from archbench.reporting.charts.theme import Chart

_WIDTH = 860
_ROW = 24  # pixels
_NAME = 12
_MOST_NAME = 190.0  # pixels
_PAD = 8
_TIGHT = 0.88  # `text_width` is an upper bound; texts in the middle may come closer to their neighbours than names
_BAR_SHARE = 0.13  # of the width, for the bars of one side
_SHORTEST_RUN = 3  # equal layers in a row that are drawn as one line

# Removed and added are also told by their side and by a word, for readers who cannot tell the colours apart.
_WORDS = {"only_a": "removed", "only_b": "added", "changed": "changed", "same": "the same"}
_COLOURS = {"removed": "#d55e00", "added": "#009e73", "changed": "#0072b2", "the same": "#7f7f7f"}
# Each quantity with the shade of its bar and the bar's upper and lower end in a line.
_FIELDS = {"params": ("#6b6b6b", 0.12, 0.47), "macs": ("#bdbdbd", 0.53, 0.88)}


def difference_chart(
    rows: Sequence[DifferenceRow],
    *,
    names: tuple[str, str],
    title: str,
    width: int = _WIDTH,
    height: int | None = None,
    notes: Sequence[str] = (),
) -> Chart:
    """Return the layers of both models, a line per pair or single layer; `names` are those of the models.

    Bars grow outwards, on one scale per quantity for both models. Three or more consecutive layers that are the same in
    both are one line; pairs to which only another shape is handed down are left out. `height` is that of all lines, in
    pixels.
    """
    lines = list(_lines([row for row in rows if not follows(row)]))
    column = min(_MOST_NAME, max(text_width(line[side], _NAME) for line in lines for side in "ab"))
    frame = _Frame(width, len(lines), _BAR_SHARE * width, column)
    chart = layered(
        *_bars(lines, frame), _joins(lines, frame), *_names(lines, frame), _texts(lines, frame), _heads(names, frame)
    ).properties(width=width, height=height or int(_ROW * (len(lines) + 1)))
    counts = Counter(_WORDS[row.change] for row in rows)
    layers = ", ".join(f"{counts[word]} {word}" for word in _COLOURS if counts[word])
    key = "Bars outside the names: parameters dark, MACs light, each on one scale for both models."
    following = sum(map(follows, rows))
    left_out = [f"{following} of the changed, to which only another shape is handed down, are left out."] * bool(
        following
    )
    return titled(chart, title, [f"Layers: {layers}. {key}", *left_out, *notes], width)


@dataclass(frozen=True, slots=True)
class _Frame:
    """The places of a line's parts in pixels: bars, names and joins; a line is one unit high."""

    width: int
    lines: int
    bar: float
    column: float

    def name_at(self, side: str) -> float:
        """Return where a name begins: that of `a` at the left of its bars' end."""
        return self.bar + _PAD if side == "a" else self.width - self.bar - _PAD

    def inner(self, side: str) -> float:
        """Return where the space between the names begins or ends."""
        return self.name_at(side) + (self.column if side == "a" else -self.column)

    def bar_end(self, side: str, share: float) -> float:
        """Return the outer end of a bar."""
        return self.bar * (1 - share) if side == "a" else self.width - self.bar * (1 - share)

    def bar_start(self, side: str) -> float:
        """Return the inner end of all bars."""
        return self.bar if side == "a" else self.width - self.bar

    def across(self, field: str) -> alt.X:
        """Return the horizontal encoding of a field in pixels."""
        return alt.X(f"{field}:Q", scale=alt.Scale(domain=[0, self.width], nice=False), axis=None)

    def down(self, field: str) -> alt.Y:
        """Return the vertical encoding of a field in lines, the first at the top below the models' names."""
        return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[self.lines, -1], nice=False), axis=None)


def _lines(rows: Sequence[DifferenceRow]) -> Iterator[dict[str, Any]]:
    """Yield a record per line: a pair, a single layer, or a run of equal layers."""
    place = 0
    for is_same, group in groupby(rows, key=lambda row: row.change == "same"):
        members = list(group)
        runs = [members] if is_same and len(members) >= _SHORTEST_RUN else [[row] for row in members]
        for run in runs:
            yield {"place": place, "middle": place + 0.5, **_line(run)}
            place += 1


def _line(run: Sequence[DifferenceRow]) -> dict[str, Any]:
    word = _WORDS[run[0].change]
    a, b = ([layer for layer in layers if layer] for layers in ([row.a for row in run], [row.b for row in run]))
    sums = {f"{field}_{side}": _sum(layers, field) for field in _FIELDS for side, layers in (("a", a), ("b", b))}
    text = _run_text(run, sums) if len(run) > 1 else _text(run[0], word)
    return {"word": word, "a": _name(a), "b": _name(b), "text": text, "layers": len(run), **sums}


def _sum(layers: Sequence[LayerRow], field: str) -> int:
    return sum(getattr(layer, field) for layer in layers)


def _name(layers: Sequence[LayerRow]) -> str:
    if not layers:
        return ""
    return layers[0].name if len(layers) == 1 else f"{layers[0].name} … {layers[-1].name}"


def _run_text(run: Sequence[DifferenceRow], sums: dict[str, int]) -> str:
    return f"{len(run)} the same: {format_count(sums['params_a'])} params, {format_count(sums['macs_a'])} MACs"


def _text(row: DifferenceRow, word: str) -> str:
    """Return what became of a layer, with the parameters that it costs or saves."""
    if word == "the same":
        return ""
    own = "; ".join(own_changes(row))
    costs = f" ({format_change(row.params_difference)} params)" if row.params_difference else ""
    return f"{own if word == 'changed' else f'{word}: {own}'}{costs}".replace("->", "→")


def _bars(lines: Sequence[dict[str, Any]], frame: _Frame) -> Iterator[alt.Chart]:
    """Yield the bars of each quantity; a run of equal layers has none, for its sums would hide the others."""
    lines = [line for line in lines if line["layers"] == 1]
    for field, (shade, upper, lower) in _FIELDS.items():
        most = max((line[f"{field}_{side}"] for line in lines for side in "ab"), default=0) or 1
        bars = [
            {
                "layer": line[side],
                field: line[f"{field}_{side}"],
                "start": frame.bar_start(side),
                "end": frame.bar_end(side, line[f"{field}_{side}"] / most),
                "upper": line["place"] + upper,
                "lower": line["place"] + lower,
            }
            for line in lines
            for side in "ab"
            if line[f"{field}_{side}"]
        ]
        title = "Parameters" if field == "params" else "MACs"
        yield (
            alt.Chart(values(bars))
            .mark_rect(color=shade)
            .encode(
                x=frame.across("start"),
                x2="end:Q",
                y=frame.down("upper"),
                y2="lower:Q",
                tooltip=[alt.Tooltip("layer:N", title="Layer"), alt.Tooltip(f"{field}:Q", title=title, format=",")],
            )
        )


def _joins(lines: Sequence[dict[str, Any]], frame: _Frame) -> alt.Chart:
    """Return the lines from each name to the text in the middle; they join the names of a pair."""
    middle = frame.width / 2
    joins = []
    for line in lines:
        half = _TIGHT * text_width(_cut(line["text"], frame), _NAME) / 2 + 2 * _PAD if line["text"] else 0
        for side, sign in (("a", 1), ("b", -1)):
            start = frame.name_at(side) + sign * (min(text_width(line[side], _NAME), frame.column) + _PAD)
            end = middle - sign * half
            if line[side] and sign * (end - start) > 0:
                joins.append({"word": line["word"], "middle": line["middle"], "start": start, "end": end})
    rules: alt.Chart = (
        alt.Chart(values(joins))
        .mark_rule(strokeWidth=1.5)
        .encode(x=frame.across("start"), x2="end:Q", y=frame.down("middle"), color=_colour())
    )
    return rules


def _cut(text: str, frame: _Frame) -> str:
    """Return a text that fits between the names."""
    room = (frame.inner("b") - frame.inner("a") - 2 * _PAD) / (_TIGHT * text_width(text, _NAME))
    return text if room >= 1 else f"{text[: max(0, int(len(text) * room) - 1)]}…"


def _names(lines: Sequence[dict[str, Any]], frame: _Frame) -> Iterator[alt.Chart]:
    """Yield the names of each side; long ones lose their beginning, which layers of one module share."""
    for side in "ab":
        shown = [
            {"name": line[side], "word": line["word"], "middle": line["middle"], "at": frame.name_at(side)}
            for line in lines
            if line[side]
        ]
        yield (
            alt.Chart(values(shown))
            .mark_text(align="left" if side == "a" else "right", limit=frame.column, dir="rtl", fontSize=_NAME)
            .encode(x=frame.across("at"), y=frame.down("middle"), text="name:N", color=_colour(), tooltip="name:N")
        )


def _texts(lines: Sequence[dict[str, Any]], frame: _Frame) -> alt.Chart:
    shown = [
        {"text": _cut(line["text"], frame), "whole": line["text"], "middle": line["middle"], "at": frame.width / 2}
        for line in lines
        if line["text"]
    ]
    written: alt.Chart = (
        alt.Chart(values(shown))
        .mark_text(style="label")
        .encode(
            x=frame.across("at"),
            y=frame.down("middle"),
            text="text:N",
            tooltip=alt.Tooltip("whole:N", title="Difference"),
        )
    )
    return written


def _heads(names: tuple[str, str], frame: _Frame) -> alt.LayerChart:
    """Return the names of the models above their layers."""
    heads = (
        alt.Chart(values([{"name": name, "at": frame.name_at(side), "middle": -0.5}]))
        .mark_text(align="left" if side == "a" else "right", style="label", fontWeight="bold", fontSize=14)
        .encode(x=frame.across("at"), y=frame.down("middle"), text="name:N")
        for side, name in zip("ab", names, strict=True)
    )
    return layered(*heads)


def _colour() -> alt.Color:
    scale = alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values()))
    return alt.Color("word:N", scale=scale, title="Layer", legend=alt.Legend(orient="bottom", symbolType="square"))
