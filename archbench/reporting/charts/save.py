"""A chart becomes a file: PNG, SVG, or a page of HTML that needs nothing outside it."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archbench.errors import OutputError, UsageError, nearest
from archbench.files import write_whole
from archbench.reporting.charts.theme import FONT
from archbench.reporting.drawings.canvas import BACKGROUND, to_png

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart

_CLIP = re.compile(r"""(id="|url\(#)clip(\d+)("|\))""")
_SIZE = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"')
_MOST_PIXELS = 100_000_000  # of 4 bytes each, while they are drawn

ENDINGS = (".png", ".svg", ".html")


def require_libraries() -> None:
    """Raise UsageError, saying what to install, where there is no altair or vl-convert."""
    for module, package in (("altair", "altair"), ("vl_convert", "vl-convert-python")):
        if find_spec(module) is None:
            raise UsageError(f"charts need {package} (pip install {package})")


def require_ending(path: Path) -> None:
    """Raise UsageError for a path whose ending says no kind of file that is written."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        hint = nearest(ending, ENDINGS) if ending else ""
        raise UsageError(f"--output {path} has none of the endings {', '.join(ENDINGS)}{hint}")


def save(chart: Chart, path: Path, scale: float = 2.0) -> None:
    """Write a chart, whole or not at all, as its path's ending says; PNG has `scale` pixels for each of the chart's.

    Raises UsageError for an ending that is not written or a PNG of too many pixels, OutputError if the file cannot be
    drawn or written.
    """
    require_ending(path)
    spec = chart.to_dict()
    ending = path.suffix.lower()
    if ending == ".html":
        write_whole(path, to_html(spec))
    else:
        svg = to_svg(spec)
        if ending == ".png":
            _require_pixels(svg, scale)
        write_whole(path, to_png(svg, scale) if ending == ".png" else svg)


def _require_pixels(svg: str, scale: float) -> None:
    """Raise UsageError for a picture that would have more pixels than there may be memory for."""
    size = _SIZE.match(svg)
    assert size is not None, "Vega begins a picture with its size"
    width, height = (round(float(each) * scale) for each in size.groups())
    if width * height > _MOST_PIXELS:
        raise UsageError(
            f"the picture would have {width:,} x {height:,} pixels, more than {_MOST_PIXELS:,}; "
            "give a smaller --scale, --width or --height, or write .svg"
        )


def to_svg(spec: dict[str, Any]) -> str:
    """Return a specification drawn as SVG; the same one gives the same text. Raises OutputError if it cannot be."""
    import vl_convert

    try:
        # Not from the network, not from the disk: all data is in the specification.
        svg = str(vl_convert.vegalite_to_svg(spec, vl_version=_version(), allowed_base_urls=[]))
    except ValueError as error:
        raise OutputError(f"cannot draw the chart: {_reason(error)}") from error
    # Vega numbers what it clips through all pictures of a process.
    numbers: dict[str, int] = {}
    return _CLIP.sub(lambda found: f"{found[1]}clip{numbers.setdefault(found[2], len(numbers))}{found[3]}", svg)


def to_html(spec: dict[str, Any]) -> str:
    """Return a page that draws a specification, with the libraries that do so in it: Vega, Vega-Lite, Vega-Embed."""
    import vl_convert

    libraries = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_version())
    assert "</script" not in libraries.lower(), "it would end the element that holds it"
    # Of the menu only saving the picture stays: the rest opens a web site or shows what no reader asked for.
    actions = {"export": True, "source": False, "compiled": False, "editor": False}
    options = {"mode": "vega-lite", "renderer": "svg", "actions": actions}
    return _PAGE.format(
        title=escape(_title(spec)),
        font=FONT,
        paper=BACKGROUND,
        libraries=libraries,
        spec=_script(spec),
        options=_script(options),
    )


def _reason(error: Exception) -> str:
    """Return what the drawing library says as one line, without its own calls that led there."""
    return " ".join(str(error).splitlines()[:2])


def _title(spec: dict[str, Any]) -> str:
    return str(spec["title"]["text"])


def _script(value: Any) -> str:
    """Return JSON that stays inside its script element whatever is in it."""
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
