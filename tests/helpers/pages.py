"""What the tests of the report's page share: its contents, and a reader of its elements."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import torch

from archbench.models.address import find
from archbench.reporting.page.contents import ReportContents, ReportModel
from archbench.trace.tracer import trace
from archbench.units import format_dimensions

VOID = {"meta", "link", "img", "br", "input"}


class Reader(HTMLParser):
    """Gathers elements with their attributes and, by id, what scripts hold; checks that elements are closed."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.scripts, self.text, self.open = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, text):
        if self.open and self.open[-1] == "script":
            self.scripts.append((self.elements[-1][1], text))
        elif self.open and self.open[-1] != "style":
            self.text.append(text)

    def all(self, name):
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    @property
    def data(self):
        (text,) = (text for attributes, text in self.scripts if attributes.get("id") == "data")
        return json.loads(text)


def report_model(address, model=None, shape=None):
    source = None if model is not None else find(address)
    shape = shape or source.input_shape
    record = trace(model or source.build(), torch.empty(1, *shape, device="meta"))
    return ReportModel(address, address, format_dimensions(shape), source.card if source else None, record)


def report_contents(*models, **more):
    facts = {"tool": "1.0", "torch": "2.0", "python": "3.12", "cpu_name": "A CPU", "cpu_cores": 2}
    return ReportContents(models, "2026-01-02T03:04:05+00:00", facts, **more)
