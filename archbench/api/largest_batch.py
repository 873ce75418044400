"""Find the largest batch that fits in a memory."""

from __future__ import annotations

from archbench.analyze.performance.kernels import Layout
from archbench.api.prediction import device_of, memory_limit, simulated_run
from archbench.hardware.device import Device
from archbench.models.loaded import Inputs, Model
from archbench.trace.attention import Attention
from archbench.trace.tracer import Mode


def largest_batch(
    model: Model,
    memory: int | str | Device,
    *,
    inputs: Inputs = None,
    mode: Mode = "train",
    optimizer: str = "momentum",
    optimizer_form: str = "foreach",
    weight_decay: float = 0.0,
    dtype: str = "fp32",
    checkpoint: str | None = None,
    attention: Attention = "auto",
    device: str | Device | None = None,
    layout: Layout = "nchw",
) -> int:
    """Return the largest batch whose predicted memory fits, 0 if not even one sample does.

    Args:
        model: A module or an address.
        memory: Bytes, a size such as `"24GiB"`, or a device, of whose memory its driver takes a part.
        inputs: As for `archbench.summarize`, but as text; the model's usual input by default.
        mode: As for `archbench.memory`, like all others.
        optimizer: With `mode="train"`.
        optimizer_form: With `mode="train"`.
        weight_decay: With `mode="train"`.
        dtype: The precision of the run.
        checkpoint: With `mode="train"`: modules that are recomputed in backward.
        attention: `"auto"`, `"fused"` or `"math"`.
        device: A device whose workspaces and rounding are added; by default `memory`, if that is a device.
        layout: `"nchw"` or `"nhwc"`.

    Raises InputError if memory does not grow with the batch, and what `archbench.memory` raises.
    """
    limit_bytes, limit_device = memory_limit("memory", memory)
    run = simulated_run(
        model,
        inputs,
        mode=mode,
        dtype=dtype,
        device=device_of(device) or limit_device,
        layout=layout,
        optimizer=optimizer,
        optimizer_form=optimizer_form,
        weight_decay=weight_decay,
        checkpoint=checkpoint,
        attention=attention,
    )
    return run.largest_batch(limit_bytes)
