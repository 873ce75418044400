"""`archbench devices`: devices and their ceilings."""

from __future__ import annotations

from typing import Annotated

import typer

import archbench
from cli.output import Destination, output_options

Measure = Annotated[bool, typer.Option("--measure", help="Measure and store this machine's ceilings and three models.")]


@output_options
def devices(measure: Measure = False, *, target: Destination) -> None:
    """List devices with their ceilings, or measure this machine's.

    Peak rates, memory, bandwidth, interconnect and power, with the source of each figure in CSV and JSON. Measured
    devices are named this_cpu, this_cuda and this_mps.

    Example: archbench devices --measure
    """
    target.deliver(archbench.devices(measure))
