"""Charts: each is a pure function from records to one Altair chart, which `save` writes as PNG, SVG or HTML.

A chart's Vega-Lite specification is its `to_dict()`. The modules import altair, except `catalogue` and `save`: others
import them where a chart is drawn, after `save.require_libraries`.
"""
