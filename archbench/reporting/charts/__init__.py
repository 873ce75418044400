"""Charts: each a pure function from records to one altair chart, of which every kind of file is made.

A chart's Vega-Lite specification is its `to_dict()`. Nothing but the functions in here imports altair.
"""
