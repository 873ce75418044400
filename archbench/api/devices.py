"""The devices that predictions are made for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from archbench.hardware.device import Device
from archbench.hardware.find import all_devices
from archbench.hardware.measured import create_data_folder, store_devices
from archbench.reporting.record_table import RecordTable
from archbench.reporting.tables.devices import devices_table

_LOG = logging.getLogger("archbench")


@dataclass(frozen=True, repr=False)
class Devices(RecordTable[Device]):
    """Devices with their ceilings, one row per device."""

    def __repr__(self) -> str:
        return f"<Devices: {', '.join(device.name for device in self.rows)}>"


def devices(measure: bool = False) -> Devices:
    """Return the published devices and those measured on this machine.

    Args:
        measure: Measure this machine's ceilings, which takes about half a minute, store them for later predictions,
            and return only these: `this_cpu`, and `this_cuda` or `this_mps` if there is one.

    Raises DeviceError if the stored ceilings are damaged, OutputError if measured ones cannot be stored.
    """
    rows = tuple(_measured() if measure else all_devices().values())
    return Devices(rows, devices_table(rows))


def _measured() -> Iterator[Device]:
    from archbench.hardware.ceilings import measure_devices
    from archbench.host.machine import usable_cores

    create_data_folder()
    _LOG.info("measuring a copy and matrix products; leave the machine alone for half a minute")
    for device in measure_devices(usable_cores()):
        path = store_devices([device])
        _LOG.info("measured %s, stored in %s", device.name, path)
        yield device
