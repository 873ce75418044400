"""Run a model once on tensors without data and record every operator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archbench.errors import ForwardError, InputError, UsageError, choose
from archbench.trace.attention import Attention, AttentionKernels, DeviceKind
from archbench.trace.autocast import autocast
from archbench.trace.copying.model import prepared, submodules
from archbench.trace.device_kernels import DeviceKernels
from archbench.trace.higher_order import HigherOrderOperators
from archbench.trace.materialize import Materialiser, enough_memory
from archbench.trace.meta_build import is_about_missing_data
from archbench.trace.module_tracker import ModuleTracker, message_line
from archbench.trace.optimizer_step import Optimizer, run_update
from archbench.trace.overridable import overridable_flex_attention
from archbench.trace.process_state import no_collection, no_fake_mode, plain_kernels, restored_process, seed
from archbench.trace.pytree import map_tensors, tensors_in
from archbench.trace.recorder import Recorder
from archbench.trace.records import Trace
from archbench.trace.rows import assign_rows
from archbench.trace.tensor_records import tensor_info
from archbench.trace.torch_functions import transparent
from archbench.trace.uncompiled import uncompiled
from archbench.trace.values import NeedsDataError, with_ones, without_data

Mode = Literal["eval", "train"]
MODES = ("eval", "train")


# The default optimizer of a training step.
MOMENTUM = Optimizer("momentum")


@dataclass(frozen=True, slots=True)
class _Options:
    """The options of `trace`, and the external tensors that get no gradients in this run."""

    mode: Mode
    optimizer: Optimizer | None
    autocast_dtype: torch.dtype | None
    may_use_data: bool
    attention: Attention
    device_kind: DeviceKind
    external: tuple[Tensor, ...] = ()


def trace(
    model: nn.Module,
    inputs: Any,
    *,
    mode: Mode = "eval",
    optimizer: Optimizer | None = MOMENTUM,
    autocast_dtype: torch.dtype | None = None,
    may_use_data: bool = True,
    attention: Attention = "auto",
    device_kind: DeviceKind = "cuda",
) -> Trace:
    """Return the record of a forward pass of `model` on `inputs`; in mode `train` that of a training step.

    A training step includes the backward pass from the sum of all floating-point outputs, which gives a gradient to
    every parameter and input that requires one, and the update by `optimizer`, unless it is None. With
    `autocast_dtype` the forward pass runs under autocast in that dtype, as on a GPU. Attention is one fused kernel
    where torch would fuse it on a device of `device_kind`, unless `attention` says `fused` or `math`.

    `inputs` is a tensor, a tuple of positional or a dict of keyword arguments, with the batch. Integers and booleans of
    up to `values.LARGEST` elements keep their values; of other tensors only shapes and dtypes are used. If the model
    reads the value of an integer input on the meta device, these are ones, and `Trace.ones_reason` is the reason. If it
    cannot run without data (its control flow reads computed values, or an operator has no meta kernel), it runs again
    on copies of weights and inputs, with random values for those on the meta device, and `Trace.real_data_reason` is
    the reason; with `may_use_data` False NeedsDataError is raised instead. All random numbers have seed 0; the caller's
    random state stays as it was.

    Raises ForwardError, which names the layer, if forward or backward fails, with the model's own error as its cause;
    InputError if lazy parameters have no shape yet; UsageError for another mode and for training frozen TorchScript;
    DeviceError if weights with values are needed and do not fit in memory.
    """
    choose("mode", mode, MODES)
    _refuse_tensors(model)
    _refuse_layouts(inputs)
    if mode == "train":
        _refuse_frozen_script(model)
    options = _Options(mode, optimizer, autocast_dtype, may_use_data, attention, device_kind)
    try:
        return _trace(model, inputs, options)
    except _ExternalTensorsError as error:
        return _trace(model, inputs, replace(options, external=tuple(error.tensors)))


def _trace(model: nn.Module, inputs: Any, options: _Options) -> Trace:
    try:
        return _run(model, inputs, options, without_data, None)
    except NeedsDataError as error:
        needs_data = error
    if (ones := with_ones(inputs)) is not None:
        with suppress(ForwardError, NeedsDataError):  # the model may refuse ones; the run on data decides
            return replace(_run(model, ones, options, without_data, None), ones_reason=str(needs_data))
    if not options.may_use_data:
        raise needs_data
    return _run_on_data(model, inputs, options, str(needs_data))


def _run_on_data(model: nn.Module, inputs: Any, options: _Options, reason: str) -> Trace:
    materialiser = Materialiser(model)
    with plain_kernels(), enough_memory(model, reason):
        record = _run(model, inputs, options, materialiser, reason)
    return replace(record, has_random_data=materialiser.made_values)


class _ExternalTensorsError(Exception):
    """The run would give gradients to tensors that are neither the model's parameters nor its inputs."""

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__()
        self.tensors = tensors


class _Frozen(TorchFunctionMode):
    """Passes functions other tensors than given ones: copies that require no gradient."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self._originals = tensors  # kept, since an id is unique only while its object lives
        self._copies = {id(tensor): tensor.detach() for tensor in tensors}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return func(*map_tensors(args, self._copy), **map_tensors(kwargs or {}, self._copy))

    def _copy(self, tensor: Tensor) -> Tensor:
        return self._copies.get(id(tensor), tensor)


def _frozen(options: _Options) -> AbstractContextManager[Any]:
    return _Frozen(options.external) if options.external else nullcontext()


def _refuse_tensors(model: nn.Module) -> None:
    for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
        if nn.parameter.is_lazy(tensor):
            raise InputError(f"parameter {name} has no shape yet; call the lazy model once first")
        if tensor.is_nested:
            raise InputError(f"{name} is a nested tensor, which cannot be traced; make it inside forward")


def _refuse_layouts(inputs: Any) -> None:
    for tensor in tensors_in(inputs):
        if tensor.layout not in (torch.strided, torch.sparse_coo):
            raise InputError(f"{{inputs}} has a tensor of layout {tensor.layout}, which cannot be traced", inputs=...)
        if tensor.is_nested or tensor.is_quantized:
            kind = "nested" if tensor.is_nested else "quantized"
            raise InputError(f"{{inputs}} has a {kind} tensor, which cannot be traced", inputs=...)


def _refuse_frozen_script(model: nn.Module) -> None:
    for module in submodules(model):
        if isinstance(module, torch.jit.ScriptModule) and not module._c.hasattr("training"):
            raise UsageError(
                "{mode} requires parameters, which torch.jit.freeze has made constants; pass the module before that",
                mode="train",
            )


def _run(
    model: nn.Module, inputs: Any, options: _Options, place: Callable[[Tensor], Tensor], reason: str | None
) -> Trace:
    """Run the model with inputs and parameters replaced by `place(tensor)`, and return the record."""
    is_training = options.mode == "train"
    recorder = Recorder(without_data=reason is None, is_training=is_training, place=place)
    # On real data, garbage may hold much memory.
    collection = no_collection() if reason is None else nullcontext()
    with (
        restored_process(), uncompiled(), overridable_flex_attention(), no_fake_mode(), torch.inference_mode(False),
        collection,
    ):  # fmt: skip
        seed()
        tracker = ModuleTracker(
            model,
            recorder,
            place,
            options.autocast_dtype,
            keeps_values=reason is not None,
            external_frozen=bool(options.external),
        )
        arguments = tracker.replace_inputs(inputs)
        with prepared(tracker.model, training=is_training, wrap=tracker.wrap):
            return _record(tracker, arguments, recorder, options, reason)


def _record(tracker: ModuleTracker, arguments: Any, recorder: Recorder, options: _Options, reason: str | None) -> Trace:
    """Run the copy of the model and return the record."""
    is_training = options.mode == "train"
    positional, keyword = _split(arguments)
    num_operations = 0
    attention, higher_order = AttentionKernels(options.attention, options.device_kind), HigherOrderOperators()
    kernels, frozen = DeviceKernels(attention, higher_order), _frozen(options)
    try:
        with (
            torch.set_grad_enabled(is_training), recorder, frozen, kernels,
            autocast(options.autocast_dtype),
        ):  # fmt: skip
            outputs = tracker.model(*positional, **keyword)
        if recorder.external_tensors and not options.external:
            raise _ExternalTensorsError(list(recorder.external_tensors.values()))
        output_storages = tuple(recorder.storages.see(tensor, None) for tensor in tensors_in(outputs))
        # A view of an input requires gradients also where no graph was built.
        differentiable = [tensor for tensor in tensors_in(outputs) if is_training and tensor.requires_grad]
        del outputs
        if differentiable:
            _run_backward(differentiable, recorder, (frozen, kernels), tracker.leaves() if options.external else None)
        for gradient in tracker.gradients():
            # Only the values of a sparse gradient are new; its indices are those of the forward pass.
            values = gradient._values() if gradient.is_sparse else gradient
            recorder.storages.set_kind(values, "gradient")
        num_operations = len(recorder.operations)
        if is_training and options.optimizer is not None:
            run_update(options.optimizer, tracker.parameters_with_gradients(), recorder)
    except NeedsDataError as error:
        raise NeedsDataError(f"{error} in {tracker.where()}") from error.__cause__
    except (UsageError, _ExternalTensorsError):
        raise
    except (Exception, SystemExit) as error:  # any error of the model's code is reported with its layer
        if reason is None and isinstance(error, Exception) and is_about_missing_data(error):
            raise NeedsDataError(f"{message_line(error)} in {tracker.where()}") from error
        raise tracker.failure(error) from error
    layers, operations = tracker.layers(), tuple(recorder.operations[:num_operations])
    rows, generating = assign_rows(layers, operations, recorder.storages.readers)
    return Trace(
        layers=layers,
        operations=operations,
        update=tuple(recorder.operations[num_operations:]),
        rows=rows,
        generating=generating,
        storages=recorder.storages.records(),
        inputs=tuple(map(tensor_info, tensors_in(arguments))),
        mode=options.mode,
        optimizer=str(options.optimizer) if is_training and options.optimizer is not None else None,
        real_data_reason=reason,
        saw_autocast=tracker.saw_autocast,
        has_external_tensors=bool(options.external),
        other_weights=tuple(recorder.other_weights.values()),
        attention_kernels=tuple(sorted(attention.log.kernels)),
        unfused_attention=tuple(sorted(attention.log.unfused)),
        has_unknown_blocks=attention.log.has_unknown_blocks,
        has_unknown_branches=higher_order.has_unknown_branches,
        calls=tuple(tracker.calls),
        input_storages=tracker.input_storages,
        output_storages=output_storages,
    )


def _run_backward(
    outputs: list[Tensor],
    recorder: Recorder,
    modes: Sequence[AbstractContextManager[Any]],
    leaves: Sequence[Tensor] | None,
) -> None:
    """Run backward from the sum of all `outputs`, and clear that list; the stand-ins keep the gradients.

    A checkpoint runs its forward again there, under the `modes` of the forward pass. Where `leaves` are given, other
    tensors get no gradient.
    """
    # The gradient of a sum is one number, expanded.
    ones = [torch.ones((), dtype=output.dtype, device=output.device).expand_as(output) for output in outputs]
    for gradient in ones:
        recorder.storages.see(gradient, None)
    recorder.is_backward = True
    with recorder, ExitStack() as stack:
        for mode in modes:
            stack.enter_context(mode)
        only = None if leaves is None else [leaf for leaf in leaves if leaf.requires_grad and leaf.is_leaf]
        transparent(torch.autograd.backward)(outputs, ones, inputs=only)  # the original leaves a mode
    outputs.clear()
    recorder.nodes.release()


def _split(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the inputs of `trace` as positional and keyword arguments."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (inputs if isinstance(inputs, tuple) else (inputs,)), {}
