"""Plan a training: what it would do, and how long it would take."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

from archbench.api.train import configuration, train
from archbench.errors import UsageError
from archbench.reporting.training_plan import TrainingPlan
from archbench.training import session


def train_plan(models: str | Sequence[str] = (), data: str = "digits", **arguments: Any) -> TrainingPlan:
    """Return what `train` would do with these arguments, and its expected time; nothing is trained or written.

    The time is extrapolated from a few steps of each model.

    Args:
        models: Addresses, as `train` takes them.
        data: The images, as `train` takes them.
        arguments: The other arguments of `train`.

    Returns:
        One row per model: initial weights, learning rate, steps, seeds and time. The note on seeds states how many
        would show differences of one and of two points.

    Raises:
        TypeError: `train` has no such argument, or a module is given instead of an address.
        UsageError, AddressError, InputError, DataError, DeviceError, ForwardError: The models cannot be trained so.

    Example:
        >>> print(archbench.train_plan(["lenet", "alexnet_owt"], steps=100, size=64))
    """
    call = signature(train).bind(models, data, **arguments)
    call.apply_defaults()
    if call.arguments["resume"] is not None:
        raise UsageError("{resume} continues a run as it was planned; leave it out", resume=call.arguments["resume"])
    config, asked = configuration(call.arguments)
    return TrainingPlan(*session.plan(config, minutes=asked["minutes"], download=call.arguments["download"]))
