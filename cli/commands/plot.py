"""`archbench plot`: charts, as PNG, SVG or interactive HTML."""

from __future__ import annotations

from pathlib import Path

import archbench
from cli import plot_options as options
from cli.options import Inputs, PublishedSource, StorePath, Sweep
from cli.output import note


def plot(
    kind: options.Kind,
    of: options.What = None,
    output: options.File = None,
    width: options.Width = None,
    height: options.Height = None,
    scale: options.Scale = None,
    input: Inputs = None,
    batch: options.Batch = None,
    mode: options.ModeOption = None,
    dtype: options.Dtype = None,
    optimizer: options.Optimizer = None,
    device: options.Device = None,
    published: options.Published = False,
    source: PublishedSource = None,
    store: StorePath = None,
    threshold: options.Threshold = None,
    sweep: Sweep = None,
) -> None:
    """Draw a chart as PNG, SVG or interactive HTML.

    Example: archbench plot layers vgg16 --output vgg16.png
    """
    from archbench.reporting.charts.save import require_format, save

    path = output or Path(f"{kind}.svg")
    require_format(path, scale)
    chart = archbench.plot(
        kind,
        *(of or ()),
        inputs=input,
        batch=batch,
        mode=mode,
        dtype=dtype,
        optimizer=optimizer,
        device=device,
        published=published,
        source=source,
        store=store,
        threshold=threshold,
        sweep=sweep,
        width=width,
        height=height,
    )
    save(chart, path, scale)
    note(f"wrote {path}")
