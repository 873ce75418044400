"""Charts: each is a pure function from records to one Altair chart, which `save` writes as PNG, SVG or HTML.

A chart's Vega-Lite specification is its `to_dict()`. Altair is imported inside these functions, when a chart is drawn.
"""
