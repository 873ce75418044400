from __future__ import annotations

import base64
import json
import re
import zlib

import torch
from torch import nn

from archbench.analyze.layers import layer_table
from archbench.reporting.page.contents import ReportModel
from archbench.reporting.page.drawings import add_drawing
from archbench.reporting.page.payload import PageData
from archbench.trace.tracer import trace


class Inner(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))


class Outer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.left, self.right = Inner(width), Inner(width)

    def forward(self, x):
        return self.left(x) + self.right(x)


def drawn(model, *shape):
    """Return a model's picture for the page, and the names and pictures of the modules that open."""
    record = trace(model, torch.ones(1, *shape))
    data = PageData(themes={})
    svg = add_drawing(data, ReportModel("net", "", "", None, record), layer_table(record), "model-net")
    packed = data.drawings.get("model-net")
    return svg, json.loads(zlib.decompress(base64.b64decode(packed))) if packed else []


def opens(svg):
    return [int(number) for number in re.findall(r'data-opens="(\d+)"', svg)]


def test_each_closed_module_opens_in_turn():
    # The first Outer is opened, and in it the first Inner; the other Inner and the other Outer are closed.
    svg, modules = drawn(nn.Sequential(Outer(3), nn.Linear(3, 4), Outer(4)), 3)
    assert [modules[number][0] for number in opens(svg)] == ["right", "2"]
    reached = set(opens(svg))
    for number in list(reached):
        reached |= set(opens(modules[number][1]))
    # In the second Outer, of which the picture opens the first Inner, the other opens too.
    assert sorted(reached) == list(range(len(modules)))
    assert [name for name, _ in modules] == ["right", "2", "right"]


def test_what_opens_has_the_sections_ids_and_is_no_image():
    svg, modules = drawn(nn.Sequential(Outer(3), nn.Linear(3, 4), Outer(4)), 3)
    assert 'role="group"' in svg
    for text in (svg, *(picture for _, picture in modules)):
        assert set(re.findall(r' id="([\w-]+)"', text)) == {
            f"model-net-{name}" for name in ("title", "description", "head")
        }
        assert "prefers-color-scheme" not in text


def test_without_closed_modules_a_drawing_is_an_image():
    svg, modules = drawn(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), 3)
    assert modules == []
    assert 'role="img"' in svg
