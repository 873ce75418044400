"""The devices that predictions are made for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from archbench.errors import MeasurementError
from archbench.hardware.device import Device, MeasuredRate
from archbench.hardware.find import all_devices
from archbench.hardware.measured import create_data_folder, store_devices
from archbench.reporting.record_table import RecordTable
from archbench.reporting.tables.devices import devices_table, format_rate

_LOG = logging.getLogger("archbench")


@dataclass(frozen=True, repr=False)
class Devices(RecordTable[Device]):
    """Devices with their ceilings, one row per device."""

    def to_dict(self) -> Any:
        """Return a list with one dict per device, `measured_rates` a list of dicts."""
        rates = ([asdict(rate) for rate in device.measured_rates] for device in self.rows)
        return [{**row, "measured_rates": each} for row, each in zip(super().to_dict(), rates, strict=True)]

    def __repr__(self) -> str:
        return f"<Devices: {', '.join(device.name for device in self.rows)}>"


def devices(measure: bool = False) -> Devices:
    """Return the published devices and those measured on this machine.

    Args:
        measure: Measure this machine's ceilings and the rates of three models of torchvision, which takes about half
            a minute per device, store them for later predictions, and return only these: `this_cpu`, and `this_cuda` or
            `this_mps` if there is one. A device is stored once all of it is measured.

    Raises DeviceError if the stored devices are damaged, OutputError if measured ones cannot be stored.
    """
    rows = tuple(_measured() if measure else all_devices().values())
    return Devices(rows, devices_table(rows))


def _measured() -> Iterator[Device]:
    from archbench.api.measuring import warn_of_load
    from archbench.hardware.ceilings import measure_devices
    from archbench.host.machine import usable_cores

    create_data_folder()
    warn_of_load()
    _LOG.info("measuring ceilings and models; leave the machine alone for about half a minute per device")
    for ceilings in measure_devices(usable_cores()):
        device = replace(ceilings, measured_rates=tuple(_rates(ceilings)))
        path = store_devices([device])
        _LOG.info("measured %s, stored in %s", device.name, path)
        yield device


def _rates(device: Device) -> Iterator[MeasuredRate]:
    """Yield the rates of models on a device; a model that fails, such as out of memory, is left out with a warning."""
    from archbench.measure.bench.device_rates import measure_rate, rate_configurations

    for configuration in rate_configurations(device):
        try:
            rate = measure_rate(configuration)
        except MeasurementError as error:
            _LOG.warning("%s: batch %s was not measured: %s", device.name, configuration.batch, error)
            continue
        _LOG.info("%s: %s", device.name, format_rate(rate))
        yield rate
