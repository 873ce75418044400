"""Charts as files: PNG, SVG and HTML that need nothing else; colours that tell apart."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from archbench.errors import OutputError, UsageError
from archbench.reporting.charts import theme
from archbench.reporting.charts.accuracy import measured_accuracy_chart
from archbench.reporting.charts.axes import bytes_axis, log_ticks, nice_step, time_ticks
from archbench.reporting.charts.memory import _CATEGORIES
from archbench.reporting.charts.save import save, to_html, to_svg
from archbench.reporting.charts.throughput import throughput_chart
from archbench.reporting.charts.time_to_accuracy import time_to_accuracy_chart
from archbench.reporting.charts.training import training_chart
from archbench.training.records import Chance
from tests.helpers.chart_specs import accuracy, epoch, result

EPOCHS = [epoch("lenet", seed, number, top1=0.3 * number) for seed in range(2) for number in (1, 2, 3)]
CHARTS = {
    "accuracy": lambda: measured_accuracy_chart([accuracy("lenet", 0.9)], data="digits"),
    "throughput": lambda: throughput_chart([result("vgg16", 1, 10.0), result("vgg16", 8, 60.0)]),
    "training": lambda: training_chart(EPOCHS, data="digits", chance=Chance(2.3, 0.1)),
    "time": lambda: time_to_accuracy_chart(EPOCHS, data="digits", chance=Chance(2.3, 0.1)),
}


@pytest.fixture(params=CHARTS)
def chart(request):
    return CHARTS[request.param]()


def luminance(colour):
    """Return the relative luminance of `#rrggbb`, from 0 to 1 (WCAG 2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    """Return the contrast ratio of two colours, from 1 to 21 (WCAG 2)."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def tags(page):
    """Return the elements of a page; none of them may have what names another file."""
    found = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.add(tag)
            assert not {"src", "href", "srcset", "data"} & dict(attributes).keys()

    Reader().feed(page)
    return found


@pytest.mark.slow
def test_png_is_a_picture_of_the_size_asked_for(chart, tmp_path):
    pixels = {}
    for scale in (1.0, 2.0):
        save(chart, tmp_path / "a.png", scale)
        pixels[scale] = np.asarray(Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())).convert("L"))
    height, width = pixels[1.0].shape
    assert 600 < width < 1000
    assert pixels[2.0].shape == pytest.approx((2 * height, 2 * width), abs=2)
    assert pixels[1.0].min() < 80  # ink
    assert pixels[1.0].max() == 255  # paper


def test_svg_has_generic_fonts_only_and_a_description(chart):
    svg = to_svg(chart.to_dict())
    tree = ElementTree.fromstring(svg)
    fonts = {element.get("font-family") for element in tree.iter() if element.get("font-family")}
    assert fonts == {"sans-serif"}
    assert not re.search(r"(?:href|src)\s*=", svg)
    sizes = [float(found) for found in re.findall(r'font-size="([\d.]+)px"', svg)]
    assert min(sizes) >= 12


@pytest.mark.slow
def test_html_loads_nothing_and_has_the_chart_in_it(chart):
    spec = chart.to_dict()
    page = to_html(spec)
    assert tags(page) == {"html", "head", "meta", "title", "style", "script", "body", "main"}
    assert "@import" not in page
    assert f"<title>{spec['title']['text']}</title>" in page
    assert '<html lang="en">' in page
    own = page[page.rindex("<script>") :]
    # The specification's own schema is a name that nobody loads.
    assert set(re.findall(r"https?://[^\"]*", own)) == {spec["$schema"]}


def test_whatever_a_model_is_called_stays_inside_its_script():
    spec = measured_accuracy_chart([accuracy("</script><b>x", 0.9)], data="digits").to_dict()
    page = to_html(spec)
    assert "</script><b>x" not in page
    assert "\\u003c/script>" in page
    ElementTree.fromstring(to_svg(spec))


def test_a_legend_names_every_series():
    svg = to_svg(throughput_chart([result(f"model{i}", 1, 10.0 + i) for i in range(35)]).to_dict())
    assert all(f">model{i}<" in svg for i in range(35))


def test_a_png_of_too_many_pixels_is_refused(tmp_path):
    huge = throughput_chart([result("vgg16", 1, 10.0)], width=10_000, height=1_000)
    # At 10 pixels for each, 100,000 by 10,000 for what is between the axes alone.
    size = r"10\d,\d{3} x 1\d,\d{3} pixels, more than 100,000,000"
    with pytest.raises(UsageError, match=f"^the picture would have {size}; give a smaller scale, width"):
        save(huge, tmp_path / "a.png", 10.0)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_drawn_is_told_in_one_line():
    with pytest.raises(OutputError, match=r"^cannot draw the chart: [^\n]*Invalid specification[^\n]*$"):
        to_svg({"bar": 1})


@pytest.mark.slow
def test_the_same_records_give_the_same_file():
    chart = CHARTS["training"]
    assert to_svg(chart().to_dict()) == to_svg(chart().to_dict())


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.jpeg", "svg"])
def test_other_endings_are_refused_with_those_that_can_be(tmp_path, name):
    with pytest.raises(UsageError, match=r"has none of the endings \.png, \.svg, \.html"):
        save(CHARTS["time"](), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_left_as_it_was(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        save(CHARTS["accuracy"](), tmp_path / "missing" / "a.svg")
    (tmp_path / "a.svg").write_text("old")
    save(CHARTS["accuracy"](), tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


def test_text_stands_out_from_light_and_dark_pages():
    for dark, paper in ((False, "#ffffff"), (True, "#222222")):
        config = theme.config(dark=dark)
        for colour in (config["title"]["color"], config["title"]["subtitleColor"], config["axis"]["labelColor"]):
            assert contrast(colour, paper) > 7  # WCAG AAA


def test_areas_that_touch_differ_in_lightness():
    colours = [colour for _, colour in _CATEGORIES.values()]
    # Not all of them are there in each run: any two neighbours, and those that inference has.
    pairs = [*pairwise(colours), (colours[0], colours[3])]
    assert all(contrast(a, b) > 1.2 for a, b in pairs)


def test_colours_shapes_and_dashes_repeat_together_late():
    looks = {(theme.COLOURS[i % 7], theme.SHAPES[i % 5], theme.DASHES[i % 4]): i for i in range(7 * 5 * 4)}
    assert (len(theme.COLOURS), len(theme.SHAPES), len(theme.DASHES), len(looks)) == (7, 5, 4, 140)


def test_ticks_are_round_and_few():
    assert nice_step(0.3) == 0.5
    assert nice_step(51) == 100
    assert log_ticks(1, 1000) == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    assert log_ticks(1, 1e6) == [1, 10, 100, 1e3, 1e4, 1e5, 1e6]
    assert time_ticks(20, 8000) == [20, 60, 120, 300, 600, 1200, 1800, 3600, 7200]
    assert len(time_ticks(1e-6, 1e6)) <= 10
    assert bytes_axis("Memory", 1000).to_dict()["title"] == "Memory (B)"


def test_a_narrow_axis_has_ticks_of_any_digit():
    # Between 2.1 and 4.9 there is neither 2 nor 5 nor a power of ten.
    assert log_ticks(2.1, 4.9) == [3, 4]
    assert time_ticks(0.21, 0.49) == pytest.approx([0.3, 0.4])
