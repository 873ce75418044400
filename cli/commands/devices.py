"""`archbench devices`: what hardware can do."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import Destination, output_options


@output_options
def devices(
    measure: Annotated[bool, typer.Option("--measure", help="Measure this machine's ceilings and keep them.")] = False,
    *,
    target: Destination,
) -> None:
    """List devices with their ceilings, or measure this machine's.

    Peak rates, memory, bandwidth, interconnect and power, with the source of each figure in CSV and JSON. What is
    measured gets the names this_cpu, this_cuda and this_mps.

    Example: archbench devices --measure
    """
    from archbench.hardware.find import all_devices
    from archbench.reporting.tables.estimate import devices_table
    from cli.output import note

    if not measure:
        target.deliver(devices_table(all_devices().values()))
        return
    from archbench.hardware.ceilings import measure_devices
    from archbench.hardware.measured import create_data_folder, store_devices
    from archbench.host.machine import usable_cores

    create_data_folder()

    note("measuring a copy and matrix products; leave the machine alone for half a minute")
    measured = []
    for device in measure_devices(usable_cores()):
        measured.append(device)
        path = store_devices([device])
        note(f"measured {device.name}, kept in {path}")
    target.deliver(devices_table(measured))
