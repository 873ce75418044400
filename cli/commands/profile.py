"""`archbench profile`: the time of each layer within a step."""

from __future__ import annotations

import archbench
from cli import measure_options as options
from cli.options import Batch, Dtype, Inputs, LayoutOption, Model, ModeOption
from cli.output import Destination, output_options


@output_options
def profile(
    model: Model,
    input: Inputs = None,
    device: options.ProfiledKind = None,
    batch: Batch = 1,
    dtype: Dtype = "fp32",
    layout: LayoutOption = "nchw",
    mode: ModeOption = "eval",
    threads: options.Threads = None,
    top: options.Top = None,
    trace: options.ChromeTrace = None,
    max_seconds: options.ProfileSeconds = 30.0,
    *,
    target: Destination,
) -> None:
    """Measure the time of each layer in a step.

    Rows are named as in 'archbench summary' and sum to the time of a step; 'gaps' is time outside all layers.
    Roofline is the least time by the ceilings of the device, Ratio the time over that.

    Example: archbench profile vgg16 --batch 32 --mode train --top 10 --trace vgg16.json
    """
    from archbench.precision import find_precision
    from cli.progress.bench import PhaseProgress

    options.require_folder(target.path)
    profiled = archbench.profile(
        model, inputs=input, batch=batch, mode=mode, dtype=find_precision(dtype).name, device=device, layout=layout,
        threads=threads, top=top, trace=trace, max_seconds=max_seconds, progress=PhaseProgress(),
    )  # fmt: skip
    target.deliver(profiled)
