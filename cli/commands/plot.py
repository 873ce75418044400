"""`archbench plot`: charts, as PNG, SVG or interactive HTML."""

from __future__ import annotations

from pathlib import Path

import archbench
from cli import plot_options as options
from cli.options import Inputs, PublishedSource, StorePath, Sweep
from cli.output import picture_format, save_file


def plot(
    kind: options.Kind,
    of: options.What = None,
    output: options.File = None,
    format: options.Format = None,
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
    by: options.By = None,
    layer: options.Layer = None,
) -> None:
    """Draw a chart as PNG, SVG or interactive HTML.

    Example: archbench plot layers vgg16 --output vgg16.png
    """
    from archbench.reporting.charts.save import require_format, save

    path = output or Path(f"{kind}.{format or 'svg'}")
    written_as = picture_format(path, format)
    require_format(path, scale, written_as)
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
        by=by,
        layer=layer,
        width=width,
        height=height,
    )
    save_file(path, lambda target: save(chart, target, scale, written_as))
