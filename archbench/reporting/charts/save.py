"""Write a chart as PNG, SVG, or a self-contained HTML page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archbench.errors import OutputError, UsageError
from archbench.files import write_whole
from archbench.reporting.drawings.canvas import BACKGROUND, FONT, ending_of, to_png
from archbench.units import format_integer, printable

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart

_CLIP = re.compile(r"""(id="|url\(#)clip(\d+)("|\))""")
_SIZE = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"')
_MOST_PIXELS = 100_000_000  # 400 MB while the picture is drawn

ENDINGS = (".png", ".svg", ".html")
_SCALE = 2.0


def require_libraries() -> None:
    """Raise UsageError with the command that installs it, if altair or vl-convert is missing."""
    for module, package in (("altair", "altair"), ("vl_convert", "vl-convert-python")):
        if find_spec(module) is None:
            raise UsageError(f"charts need {package} (pip install {package})")


def require_format(path: Path, scale: float | None = None, format: str | None = None) -> str:
    """Return the ending of a format, by default the path's own.

    Raises UsageError for one that is not among `ENDINGS`, or a scale that it cannot have.
    """
    ending = ending_of(path, format, ENDINGS)
    if scale is not None and not 0.1 <= scale <= 10:
        raise UsageError("{scale} is out of range; give a number from 0.1 to 10", scale=scale)
    if scale is not None and ending != ".png":
        raise UsageError(f"{{scale}} has no effect on '{path}'; write a .png", scale=scale)
    return ending


def save(chart: Chart, path: Path, scale: float | None = None, format: str | None = None) -> None:
    """Write a chart, whole or not at all, in a format or that of the path's ending.

    `scale` is the number of PNG pixels per pixel of the chart, 2 by default. Raises UsageError for an unknown ending,
    a scale that the format cannot have or a PNG of too many pixels, and OutputError if drawing or writing fails.
    """
    ending = require_format(path, scale, format)
    scale = _SCALE if scale is None else scale
    spec = chart.to_dict()
    if ending == ".html":
        write_whole(path, to_html(spec))
    else:
        svg = to_svg(spec)
        if ending == ".png":
            _require_pixels(svg, scale)
        write_whole(path, to_png(svg, scale) if ending == ".png" else svg)


def _require_pixels(svg: str, scale: float) -> None:
    """Raise UsageError for a PNG that would need too much memory."""
    size = _SIZE.match(svg)
    assert size is not None, "Vega's SVG begins with its size"
    width, height = (round(float(each) * scale) for each in size.groups())
    if width * height > _MOST_PIXELS:
        raise UsageError(
            f"the picture would have {format_integer(width)} x {format_integer(height)} pixels, more than"
            f" {format_integer(_MOST_PIXELS)}; give a smaller {{scale}}, {{width}} or {{height}}, or write .svg",
            scale=...,
            width=...,
            height=...,
        )


def to_svg(spec: dict[str, Any]) -> str:
    """Return a specification as SVG, the same text for the same specification. Raises OutputError if drawing fails."""
    import vl_convert

    spec = with_printable_text(spec)
    try:
        # No address may be loaded: all data is in the specification.
        svg = str(vl_convert.vegalite_to_svg(spec, vl_version=_version(), allowed_base_urls=[]))
    except ValueError as error:
        raise OutputError(f"cannot draw the chart: {_reason(error)}") from error
    # Vega numbers its clip paths across all pictures of a process.
    numbers: dict[str, int] = {}
    return _CLIP.sub(lambda match: f"{match[1]}clip{numbers.setdefault(match[2], len(numbers))}{match[3]}", svg)


def to_html(spec: dict[str, Any]) -> str:
    """Return a page that draws a specification and includes the libraries for it: Vega, Vega-Lite, Vega-Embed."""
    # The menu keeps only the saving of the picture; its other entries open a web site or show the specification.
    actions = {"export": True, "source": False, "compiled": False, "editor": False}
    options = {"mode": "vega-lite", "renderer": "svg", "actions": actions}
    return _PAGE.format(
        title=escape(_title(spec)),
        font=FONT,
        paper=BACKGROUND,
        libraries=_libraries(),
        spec=_script(with_printable_text(spec)),
        options=_script(options),
    )


def with_printable_text(value: Any) -> Any:
    """Return a specification with control characters in its texts as escapes.

    Vega puts names of layers and models into expressions, where separators such as U+2028 end a line.
    """
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {with_printable_text(name): with_printable_text(inner) for name, inner in value.items()}
    return [with_printable_text(inner) for inner in value] if isinstance(value, list | tuple) else value


@cache
def _libraries() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, which takes a second to put together."""
    import vl_convert

    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_version()))
    assert "</script" not in script.lower(), "it would end the script element"
    return script


def _reason(error: Exception) -> str:
    """Return the drawing library's message as one line, without its stack."""
    return " ".join(str(error).splitlines()[:2])


def _title(spec: dict[str, Any]) -> str:
    return str(spec["title"]["text"])


def _script(value: Any) -> str:
    """Return JSON that cannot end its script element."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def _version() -> str:
    import altair

    return ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ margin: 0; background: {paper}; font-family: {font}; }} #chart {{ overflow-x: auto; }}</style>
<script>{libraries}</script>
</head>
<body>
<main id="chart"></main>
<script>vegaEmbed("#chart", {spec}, {options});</script>
</body>
</html>
"""
