"""Run a model once on tensors that have no data and record every operator that happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from archbench.errors import InputError, UsageError, nearest
from archbench.trace.autocast import autocast
from archbench.trace.materialize import Materialiser, plain_kernels
from archbench.trace.meta_build import is_about_missing_data
from archbench.trace.model_patch import borrowed
from archbench.trace.module_tracker import Watch, first_line
from archbench.trace.optimizer_step import Optimizer, run_update
from archbench.trace.pytree import tensors_in
from archbench.trace.recorder import NeedsDataError, Recorder, tensor_info, to_meta
from archbench.trace.records import Trace

Mode = Literal["eval", "train"]
MODES = ("eval", "train")


# What a training step is taken to end with where nothing else is said.
MOMENTUM = Optimizer("momentum")


@dataclass(frozen=True, slots=True)
class _How:
    """How a run is done: what `trace` was asked for, and what earlier attempts have shown."""

    mode: Mode
    optimizer: Optimizer | None
    autocast_dtype: torch.dtype | None
    may_use_data: bool
    strangers_frozen: bool = False


def trace(
    model: nn.Module,
    inputs: Any,
    *,
    mode: Mode = "eval",
    optimizer: Optimizer | None = MOMENTUM,
    autocast_dtype: torch.dtype | None = None,
    may_use_data: bool = True,
) -> Trace:
    """Return the record of one forward pass of `model` on `inputs`; in mode `train` of a whole training step.

    That is the backward pass too, and what `optimizer` does with the gradients, if there is one. The backward pass
    starts from the sum of all floating-point outputs and gives a gradient to every parameter, and every input, that
    requires one. With `autocast_dtype` the forward pass runs under it, as a GPU would, in that dtype.
    `inputs` is a tensor, a tuple of positional or a dict of keyword arguments; only shapes and dtypes are used.
    Where the model cannot run without data (its control flow reads values, or an operator has no meta kernel), it is
    run again on `inputs` themselves, with random values where they have none, and `real_data_reason` says why.
    With `may_use_data` False that raises NeedsDataError instead.
    Raises ForwardError, caused by the model's own error and naming the layer, if forward fails, and InputError for a
    model whose lazy parameters have no shape yet.
    """
    if mode not in MODES:
        raise UsageError(f"mode is one of {', '.join(MODES)}, not '{mode}'{nearest(mode, MODES)}")
    _refuse_lazy(model)
    how = _How(mode, optimizer, autocast_dtype, may_use_data)
    try:
        return _trace(model, inputs, how)
    except _StrangersError as error:
        with _frozen(error.tensors):
            return _trace(model, inputs, replace(how, strangers_frozen=True))


def _trace(model: nn.Module, inputs: Any, how: _How) -> Trace:
    try:
        return _run(model, inputs, how, to_meta, None)
    except NeedsDataError as error:
        if not how.may_use_data:
            raise
        reason = str(error)
    with plain_kernels():
        return _run(model, inputs, how, Materialiser(model), reason)


class _StrangersError(Exception):
    """Tensors that are neither the model's parameters nor its inputs would get gradients."""

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__()
        self.tensors = tensors


@contextmanager
def _frozen(tensors: list[Tensor]) -> Iterator[None]:
    """Let some tensors require no gradient for a while."""
    for tensor in tensors:
        tensor.requires_grad_(False)
    try:
        yield
    finally:
        for tensor in tensors:
            tensor.requires_grad_(True)


def _refuse_lazy(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise InputError(f"parameter {name} has no shape yet; run the lazy model once before it is counted")


def _run(model: nn.Module, inputs: Any, how: _How, place: Callable[[Tensor], Tensor], reason: str | None) -> Trace:
    """Run the model on inputs and parameters that `place` gives for the real ones, and collect what happened."""
    is_training = how.mode == "train"
    recorder = Recorder(without_data=reason is None, is_training=is_training, place=place)
    watch = Watch(model, recorder, place, how.autocast_dtype)
    keeps_values = reason is not None
    with (
        torch.inference_mode(False),
        borrowed(model, training=is_training, keeps_values=keeps_values, wrap=watch.wrap, shadow=watch.shadow),
    ):
        arguments = watch.stand_ins_for(inputs)
        positional, keyword = _split(arguments)
        try:
            with torch.set_grad_enabled(is_training), recorder, autocast(how.autocast_dtype):
                outputs = model(*positional, **keyword)
            if recorder.strangers and not how.strangers_frozen:
                raise _StrangersError(list(recorder.strangers.values()))
            differentiable = [tensor for tensor in tensors_in(outputs) if tensor.requires_grad]
            del outputs
            if differentiable:
                _run_backward(differentiable, recorder)
                recorder.nodes.release()
                for gradient in watch.gradients(arguments):
                    # A sparse one holds its values; the indices are those that the forward pass looked up.
                    values = gradient._values() if gradient.is_sparse else gradient
                    recorder.storages.set_kind(values, "gradient")
            num_operations = len(recorder.operations)
            if is_training and how.optimizer is not None:
                run_update(how.optimizer, watch.parameters_with_gradients(), recorder)
        except (NeedsDataError, UsageError, _StrangersError):
            raise
        except (Exception, SystemExit) as error:  # whatever the model's own code raises is told with its layer
            if reason is None and isinstance(error, Exception) and is_about_missing_data(error):
                raise NeedsDataError(first_line(error)) from error
            raise watch.failure(error) from error
        return Trace(
            layers=watch.layers(),
            operations=tuple(recorder.operations[:num_operations]),
            update=tuple(recorder.operations[num_operations:]),
            storages=recorder.storages.records(),
            inputs=tuple(map(tensor_info, tensors_in(arguments))),
            mode=how.mode,
            optimizer=str(how.optimizer) if is_training and how.optimizer is not None else None,
            real_data_reason=reason,
            saw_autocast=watch.saw_autocast,
            has_strangers=how.strangers_frozen,
        )


def _run_backward(outputs: list[Tensor], recorder: Recorder) -> None:
    """Run backward from the sum of all `outputs`, which are emptied; gradients stay on the stand-ins."""
    # A sum's gradient is one number, seen many times.
    ones = [torch.ones((), dtype=output.dtype, device=output.device).expand_as(output) for output in outputs]
    for one in ones:
        recorder.storages.see(one, None)
    recorder.is_backward = True
    with recorder:
        torch.autograd.backward(outputs, ones)
    outputs.clear()


def _split(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return positional and keyword arguments for what `trace` takes as inputs."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (inputs if isinstance(inputs, tuple) else (inputs,)), {}
