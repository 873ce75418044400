"""How the counts of a run depend on the values of tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from archbench.trace.records import Operation, Trace

# Operators whose results have a size that depends on values, beside an index by a mask.
_DEPENDENT = frozenset(
    f"aten.{name}"
    for name in (
        "_unique", "_unique2", "bincount", "masked_select", "nonzero", "repeat_interleave", "unique_consecutive",
        "unique_dim",
    )
) | {"torchvision.nms"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ValueUse:
    """How the counts of a run depend on values.

    `operators` has for each operator whose results have a size that depends on values the layers it ran in, in order.
    `is_random` states that some data was random; `ones_reason` is the reason why integer inputs were taken as ones.
    """

    operators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_random: bool = False
    ones_reason: str | None = None


def value_use(trace: Trace) -> ValueUse:
    """Return how the counts of a run depend on values."""
    layers: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for operation in trace.operations:
        name = _dependent(operation)
        if name is not None:
            layers[name][trace.layers[operation.layer].path] = None
    operators = {name: tuple(paths) for name, paths in layers.items()}
    return ValueUse(operators, trace.has_random_data, trace.ones_reason)


def _dependent(operation: Operation) -> str | None:
    """Return the name of an operator if the size of its results depends on values."""
    if operation.name in _DEPENDENT:
        return operation.name.partition(".")[2].lstrip("_")
    if operation.name == "aten.index":
        is_mask = any(info.dtype in (torch.bool, torch.uint8) for info in operation.inputs[1:])
        return "index by a mask" if is_mask else None
    return None
