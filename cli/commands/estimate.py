"""`archbench estimate`: the throughput of a model on a device."""

from __future__ import annotations

import archbench
from archbench.units import parse_range
from cli import predict_options as options
from cli.options import (
    AttentionOption,
    Batches,
    Checkpoint,
    Dtype,
    Inputs,
    LayoutOption,
    Models,
    OptimizerOption,
    UpdateFormOption,
)
from cli.output import Destination, output_options


@output_options
def estimate(
    models: Models,
    device: options.OnDevices,
    input: Inputs = None,
    batch: Batches = "1",
    mode: options.ModeChoice = None,
    dtype: Dtype = "fp32",
    layout: LayoutOption = "nchw",
    compile: options.Compile = False,
    fused: options.Fused = False,
    efficiency: options.Efficiency = None,
    optimizer: OptimizerOption = "momentum",
    optimizer_form: UpdateFormOption = "foreach",
    checkpoint: Checkpoint = None,
    attention: AttentionOption = "auto",
    devices: options.Count = "1",
    global_batch: options.GlobalBatch = None,
    interconnect: options.Interconnect = None,
    dataset: options.Dataset = None,
    epochs: options.Epochs = None,
    price: options.Price = None,
    layers: options.Layers = False,
    plans: options.Plans = False,
    *,
    target: Destination,
) -> None:
    """Predict speed, time, energy and price on a device.

    'Of peak' is the share of the device's peak FLOP/s that a step reaches; 'Bound by' is what limits it. Low and high
    bound the 90% interval.

    Example: archbench estimate vgg16 --device h200 --batch 256 --dtype bf16 --dataset imagenet --epochs 74
    """
    counts = parse_range(devices, "number of devices")
    options.require_one_step(layers=layers, plans=plans, counts=counts, global_batch=global_batch, dataset=dataset)
    result = archbench.estimate(
        models,
        device,
        inputs=input,
        batch=parse_range(batch, "batch size"),
        mode=mode,
        dtype=dtype,
        layout=layout,
        compile=compile or fused,
        count=counts,
        global_batch=global_batch,
        interconnect=interconnect,
        dataset=dataset,
        epochs=epochs,
        price=price,
        efficiency=efficiency,
        optimizer=optimizer,
        optimizer_form=optimizer_form,
        checkpoint=checkpoint,
        attention=attention,
        require_fit=not (layers or plans),
    )
    target.deliver(result.layers if layers else result.plans if plans else result)
