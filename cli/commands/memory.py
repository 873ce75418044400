"""`archbench memory`: the peak memory of a run."""

from __future__ import annotations

import archbench
from archbench.errors import UsageError
from archbench.units import parse_range
from cli.options import (
    AttentionOption,
    Checkpoint,
    Dtype,
    Inputs,
    LayoutOption,
    Models,
    ModeOption,
    OptimizerOption,
    OptionalBatches,
    UpdateFormOption,
    WeightDecay,
)
from cli.output import Destination, output_options
from cli.predict_options import Fit, MemoryLayers, OptionalDevice, Timeline


@output_options
def memory(
    models: Models,
    input: Inputs = None,
    batch: OptionalBatches = None,
    fit: Fit = None,
    mode: ModeOption = "eval",
    dtype: Dtype = "fp32",
    optimizer: OptimizerOption = "momentum",
    optimizer_form: UpdateFormOption = "foreach",
    weight_decay: WeightDecay = 0.0,
    checkpoint: Checkpoint = None,
    attention: AttentionOption = "auto",
    device: OptionalDevice = None,
    layout: LayoutOption = "nchw",
    layers: MemoryLayers = False,
    timeline: Timeline = False,
    *,
    target: Destination,
) -> None:
    """Predict peak memory, and the largest batch that fits.

    The peak is the largest sum of the tensors alive at one moment: parameters, gradients, optimizer state, activations,
    temporaries and inputs. Allocators and libraries need more (--device). Saved tensors are kept for the backward pass;
    the peak of a layer is the most memory in use while it runs.

    Example: archbench memory vgg16 --mode train --optimizer adam --dtype amp --fit 24GiB
    """
    if layers and timeline:
        raise UsageError("--layers and --timeline are different tables; give one of the two")
    result = archbench.memory(
        models,
        input,
        batch=1 if batch is None else parse_range(batch, "batch size"),
        mode=mode,
        optimizer=optimizer,
        optimizer_form=optimizer_form,
        weight_decay=weight_decay,
        dtype=dtype,
        checkpoint=checkpoint,
        attention=attention,
        device=device,
        layout=layout,
        fit=fit,
    )
    target.deliver(result.layers if layers else result.timeline if timeline else result)
