"""The drawing of a model's section, and those of the modules that open when their boxes are pressed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from archbench.analyze.diagram.graph import model_graph, opened
from archbench.analyze.diagram.nodes import Node
from archbench.analyze.diagram.volumes import volume_chain
from archbench.analyze.layers import LayerTable
from archbench.reporting.drawings.canvas import DARK_STYLE
from archbench.reporting.drawings.graph import graph_svg, inside_svg
from archbench.reporting.drawings.volumes import volumes_svg
from archbench.reporting.page.contents import ReportModel
from archbench.reporting.page.payload import PageData, packed

_MANY_MODULES = 300  # that can be opened in one model's drawing


def add_drawing(data: PageData, model: ReportModel, table: LayerTable, id: str) -> str:
    """Return the picture of `archbench draw` with the section's id in its own ids; add those of modules to the data."""
    chain = volume_chain(table.rows, model.trace)
    if chain is not None:
        return _for_page(volumes_svg(chain, model.address, table.totals), id)
    whole = model_graph(model.trace)
    tree = opened(whole)
    modules = _closed(tree)
    links = {node: str(number) for number, node in enumerate(modules)}
    if modules:
        pictures = [[node.name, _for_page(inside_svg(drawn, whole, links), id)] for node, drawn in modules.items()]
        data.drawings[id] = packed(pictures)
    shapes = [info.shape[1:] for info in model.trace.inputs]
    return _for_page(graph_svg(tree, model.address, shapes, links), id)


def _closed(tree: Node) -> Mapping[Node, Node]:
    """Return each closed module of a graph, and of those that open in turn, with what it opens to."""
    modules: dict[Node, Node] = {}
    waiting = [tree]
    while waiting:
        for node in _modules(waiting.pop(0)):
            if node not in modules and len(modules) < _MANY_MODULES:
                modules[node] = opened(node)
                waiting.append(modules[node])
    return modules


def _modules(node: Node) -> Iterator[Node]:
    """Yield the closed modules drawn inside a node."""
    for child in node.drawn:
        if child.is_opened:
            yield from _modules(child)
        elif child.children:
            yield child


def _for_page(svg: str, id: str) -> str:
    """Return a picture with the section's id before its own ids, in the colours of the page."""
    head, mark, rest = svg.replace(DARK_STYLE, "").partition("</defs>")
    head = re.sub(r'id="(\w+)"', rf'id="{id}-\1"', head)
    head = head.replace('labelledby="title description"', f'labelledby="{id}-title {id}-description"')
    if "data-opens" in rest:
        head = head.replace('role="img"', 'role="group"')  # its boxes are buttons
    return head + mark + rest.replace('marker-end="url(#head)"', f'marker-end="url(#{id}-head)"')
