"""The modules with children, which have no rows of their own unless they own parameters."""

from __future__ import annotations

from dataclasses import dataclass

from archbench.trace.records import Layer, Trace


@dataclass(frozen=True, slots=True)
class ParentModule:
    """A module with children: its class, its number of calls, and the shapes of its first call, with the batch."""

    type: str
    calls: int
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None


def parent_modules(trace: Trace) -> dict[str, ParentModule]:
    """Return the modules with children by path."""
    return {layer.path: _parent(layer) for layer in trace.layers if not layer.is_leaf}


def _parent(layer: Layer) -> ParentModule:
    inputs, outputs = ([info.shape for info in infos] for infos in (layer.inputs, layer.outputs))
    return ParentModule(layer.type, layer.calls, next(iter(inputs), None), next(iter(outputs), None))
