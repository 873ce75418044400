"""What the tests of pictures share: the images inside an SVG, and its texts."""

from __future__ import annotations

import base64
import io
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
