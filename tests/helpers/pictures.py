"""What the tests of pictures share: the images inside an SVG, its texts and where they stand."""

from __future__ import annotations

import base64
import io
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"


def images(element):
    """Return every image inside an SVG element as pixels (height, width, 3)."""
    return [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(image.get("href").partition(",")[2]))).convert("RGB"))
        for image in element.iter(f"{SVG}image")
    ]


def groups(svg, kind):
    """Return the groups of one kind by what a reader is told about them."""
    return {
        group.find(f"{SVG}title").text: group
        for group in ElementTree.fromstring(svg).iter(f"{SVG}g")
        if group.get("class") == kind
    }


def texts(element):
    """Return every line of text inside an SVG element."""
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


def text_boxes(svg):
    """Return every label with the rectangle that it takes at 0.6 em a character: left, top, right, bottom."""
    for element in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        text, size, x, y = "".join(element.itertext()), *(float(element.get(key)) for key in ("font-size", "x", "y"))
        width = 0.6 * size * len(text) + sum(float(part.get("dx")) for part in element)
        left = x - {"start": 0, "middle": width / 2, "end": width}[element.get("text-anchor")]
        yield text, (left, y - 0.8 * size, left + width, y + 0.2 * size)


def assert_legible(svg):
    """Hold that every label is on the page and none meets another."""
    root = ElementTree.fromstring(svg)
    _, _, page_width, page_height = map(float, root.get("viewBox").split())
    boxes = list(text_boxes(svg))
    for text, (left, top, right, bottom) in boxes:
        assert left >= 0, text
        assert top >= 0, text
        assert right <= page_width, text
        assert bottom <= page_height, text
    for (text, a), (other, b) in combinations(boxes, 2):
        is_apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert is_apart, f"{text!r} meets {other!r}"
