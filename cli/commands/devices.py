"""`archbench devices`: devices and their ceilings."""

from __future__ import annotations

from typing import Annotated

import typer

import archbench
from cli.output import Destination, output_options

Measure = Annotated[
    bool, typer.Option("--measure", help="Measure this machine and three models on it; store the result.")
]


@output_options
def devices(measure: Measure = False, *, target: Destination) -> None:
    """List devices with their ceilings, or measure this machine's.

    Ceilings are peak rates, memory, bandwidth, interconnect and power; CSV and JSON cite the source of each. Measured
    devices are named this_cpu, this_cuda and this_mps.

    Example: archbench devices --measure
    """
    target.deliver(archbench.devices(measure))
