"""Weights that are not parameters: buffers that products multiply by, and packed weights of quantised layers."""

from __future__ import annotations

from dataclasses import dataclass

from archbench.trace.records import Trace

# A smaller part of the parameters (the frequencies of rotary embeddings, a filter for blurring) is not worth a caveat.
_PART = 0.01


@dataclass(frozen=True, slots=True)
class OtherWeights:
    """The number of values, and the paths of the modules that use them."""

    values: int
    layers: tuple[str, ...]


def other_weights(trace: Trace) -> OtherWeights | None:
    """Return a model's weights that are not parameters, None if they are less than 1% of these."""
    values = sum(weight.numel for weight in trace.other_weights)
    params = sum(parameter.numel for layer in trace.layers for parameter in layer.parameters)
    if values <= _PART * params:
        return None
    return OtherWeights(values, tuple(dict.fromkeys(trace.layers[weight.layer].path for weight in trace.other_weights)))
