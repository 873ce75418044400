"""Widen the interval of a predicted rate for properties of a model that no published rates show, or few.

Published rates are for image classifiers. One family has recurrent layers, in batches so large that the launches of
its steps hardly count, and training ran attention as separate products. The factors for these are assumptions. Few
rates on GPUs are for small batches; their factor is derived from these.
"""

from __future__ import annotations

from collections.abc import Iterator

from archbench.analyze.performance.rate_basis import RateBasis, widened
from archbench.hardware.fit.tables import intervals
from archbench.trace.records import Trace

_RECURRENT = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")

# From 32 samples on, as many published rates on GPUs lie inside the intervals as for larger batches.
SMALL_BATCH = 32


def basis_of_model(basis: RateBasis, trace: Trace, *, is_gpu: bool) -> RateBasis:
    """Return a basis with its interval widened for a model; without an interval it is unchanged."""
    is_small = is_gpu and trace.batch < SMALL_BATCH
    rare = {f"batches below {SMALL_BATCH}": intervals()["small batches"].factor} if is_small else {}
    return widened(basis, dict(_differences(trace)), rare)


def _differences(trace: Trace) -> Iterator[tuple[str, float]]:
    if not _is_image_classifier(trace):
        yield "models other than image classifiers", 1.25
    if any(layer.type in _RECURRENT and layer.is_torch_module and layer.calls for layer in trace.layers):
        yield "small recurrent layers", 2.0
    if any("attention" in operation.name and operation.is_backward for operation in trace.operations):
        yield "fused attention in training", 1.25


def _is_image_classifier(trace: Trace) -> bool:
    """Return whether a model takes images and returns one vector, such as scores or features, for each."""
    inputs, outputs = trace.layers[0].inputs, trace.layers[0].outputs
    takes_images = len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].dtype.is_floating_point
    return takes_images and bool(outputs) and all(len(output.shape) == 2 for output in outputs)
