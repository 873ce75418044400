"""Coefficients for a device from tables of other devices, and from its own tables of another form or layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archbench.hardware.fit.coefficients import completed, mean_coefficients, plausible
from archbench.hardware.fit.tables import RateTable

Fitted = Mapping[str, Mapping[str, float]]


def mean_over_devices(tables: Sequence[RateTable], fitted: Fitted) -> dict[str, float]:
    """Return the geometric means over the devices of the tables, each by its newest table."""
    newest = {table.device: fitted[table.name] for table in tables}
    return mean_coefficients(newest.values())


def table_of_another_form(device: str, tables: Sequence[RateTable], similar: Sequence[RateTable]) -> RateTable | None:
    """Return the device's newest eager table whose form and layout one of the similar tables' devices has as well."""
    devices = {table.device for table in similar}
    own = [table for table in tables if table.device == device and not table.is_compiled]
    shared = [table for table in own if any(other.device in devices for other in _of_form(table, tables))]
    return shared[-1] if shared else None


def transferred(
    similar: Sequence[RateTable], own: RateTable, tables: Sequence[RateTable], fitted: Fitted
) -> dict[str, float]:
    """Return the means of similar tables, times the ratio of a device's own table to the same devices' in its form.

    Two coefficients that explain the same time may differ in opposite ways, so the results stay in plausible ranges.
    """
    devices = {table.device for table in similar}
    others = [table for table in _of_form(own, tables) if table.device in devices]
    mean, usual = mean_over_devices(similar, fitted), mean_over_devices(others, fitted)
    known = completed(fitted[own.name])
    return plausible({name: mean[name] * known[name] / usual[name] for name in mean})


def _of_form(table: RateTable, tables: Sequence[RateTable]) -> list[RateTable]:
    return [other for other in tables if (other.is_compiled, other.layout) == (table.is_compiled, table.layout)]
