"""Run a model once on tensors that have no data and record every operator that happens.

Which module is running is known because each borrowed module reports entering and leaving its forward; unlike a
forward hook this also sees a direct call of `.forward`, and leaves torch's fast path for modules without hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn

from archbench.errors import ForwardError, InputError, UsageError, nearest
from archbench.trace.borrowing import borrowed
from archbench.trace.building import is_about_missing_data
from archbench.trace.recorder import NeedsDataError, Recorder, tensor_info, to_meta
from archbench.trace.records import Layer, Parameter, StorageKind, TensorInfo, Trace
from archbench.trace.structures import map_tensors, tensors_in
from archbench.units import format_dimensions

Mode = Literal["eval", "train"]
MODES = ("eval", "train")


def trace(model: nn.Module, inputs: Any, *, mode: Mode = "eval", may_use_data: bool = True) -> Trace:
    """Return the record of one forward pass of `model` on `inputs`; in mode `train` of the backward pass too.

    The backward pass starts from the sum of all floating-point outputs and gives a gradient to every parameter, and
    every input, that requires one.
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
    try:
        return _trace(model, inputs, mode, may_use_data, strangers_frozen=False)
    except _StrangersError as error:
        with _frozen(error.tensors):
            return _trace(model, inputs, mode, may_use_data, strangers_frozen=True)


def _trace(model: nn.Module, inputs: Any, mode: Mode, may_use_data: bool, *, strangers_frozen: bool) -> Trace:
    try:
        return _run(model, inputs, mode, to_meta, None, strangers_frozen)
    except NeedsDataError as error:
        if not may_use_data:
            raise
        reason = str(error)
    with _plain_kernels():
        return _run(model, inputs, mode, _Materialiser(model), reason, strangers_frozen)


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


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Keep torch from running layers as fused kernels on real data, so that they decompose as they do without data."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast_path = torch.backends.mha.get_fastpath_enabled()
    backends: tuple[Any, ...] = (torch.backends.mkldnn, torch.backends.cudnn)
    were_enabled = [backend.enabled for backend in backends]
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        for backend in backends:
            backend.enabled = False
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for backend, was_enabled in zip(backends, were_enabled, strict=True):
            backend.enabled = was_enabled


def _refuse_lazy(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise InputError(f"parameter {name} has no shape yet; run the lazy model once before it is counted")


def _run(
    model: nn.Module,
    inputs: Any,
    mode: Mode,
    place: Callable[[Tensor], Tensor],
    reason: str | None,
    strangers_frozen: bool,
) -> Trace:
    """Run the model on inputs and parameters that `place` gives for the real ones, and collect what happened."""
    is_training = mode == "train"
    recorder = Recorder(without_data=reason is None, is_training=is_training, place=place)
    watch = _Watch(model, recorder, place)
    keeps_values = reason is not None
    with (
        torch.inference_mode(False),
        borrowed(model, training=is_training, keeps_values=keeps_values, wrap=watch.wrap, shadow=watch.shadow),
    ):
        arguments = watch.stand_ins_for(inputs)
        positional, keyword = _split(arguments)
        try:
            with torch.set_grad_enabled(is_training), recorder:
                outputs = model(*positional, **keyword)
            if recorder.strangers and not strangers_frozen:
                raise _StrangersError(list(recorder.strangers.values()))
            differentiable = [tensor for tensor in tensors_in(outputs) if tensor.requires_grad]
            del outputs
            if differentiable:
                _run_backward(differentiable, recorder)
                recorder.nodes.release()
                for gradient in watch.gradients(arguments):
                    recorder.storages.set_kind(gradient, "gradient")
        except (NeedsDataError, _StrangersError):
            raise
        except (Exception, SystemExit) as error:  # whatever the model's own code raises is told with its layer
            if reason is None and isinstance(error, Exception) and is_about_missing_data(error):
                raise NeedsDataError(_first_line(error)) from error
            raise watch.failure(error) from error
        return Trace(
            layers=watch.layers(),
            operations=tuple(recorder.operations),
            storages=recorder.storages.records(),
            inputs=tuple(map(tensor_info, tensors_in(arguments))),
            mode=mode,
            real_data_reason=reason,
            saw_autocast=watch.saw_autocast,
            has_strangers=strangers_frozen,
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


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class _Materialiser:
    """Places tensors for a run on real data: copies, for a run may change them; random values where there are none."""

    def __init__(self, model: nn.Module) -> None:
        devices = (parameter.device for parameter in model.parameters())
        self._device = next((device for device in devices if device.type != "meta"), torch.device("cpu"))

    def __call__(self, tensor: Tensor) -> Tensor:
        if not tensor.is_meta:
            return tensor.detach().clone()
        if tensor.is_floating_point() or tensor.is_complex():
            return torch.randn(tensor.shape, dtype=tensor.dtype, device=self._device)
        return torch.zeros(tensor.shape, dtype=tensor.dtype, device=self._device)


@dataclass(slots=True)
class _Module:
    """What is seen of one module while it runs."""

    path: str
    module: nn.Module
    calls: int = 0
    first_step: int | None = None
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    output_elements: int = 0
    output_bytes: int = 0


class _Watch:
    """Follows which module runs, and which tensors stand for its parameters."""

    def __init__(self, model: nn.Module, recorder: Recorder, place: Callable[[Tensor], Tensor]) -> None:
        self._recorder = recorder
        self._place = place
        self._modules = [_Module(path or ".", module) for path, module in model.named_modules()]
        self._index = {id(seen.module): i for i, seen in enumerate(self._modules)}
        self._shadows: dict[int, Tensor] = {}
        self.saw_autocast = False
        self._failed: tuple[_Module, tuple[TensorInfo, ...]] | None = None
        for tensor in (*model.parameters(), *model.buffers()):
            if not tensor.is_meta:
                recorder.storages.see(tensor, None, is_weight=True)
        recorder.containers = [self._container(i, seen) for i, seen in enumerate(self._modules)]
        # Taken now: while the model is borrowed its dictionaries hold the shadows.
        self._owned = [list(seen.module._parameters.items()) for seen in self._modules]

    def shadow(self, tensor: Tensor) -> Tensor:
        """Return what stands for a parameter or buffer during the run."""
        placed = self._place(tensor).detach()
        if isinstance(tensor, nn.Parameter):
            placed = nn.Parameter(placed, requires_grad=tensor.requires_grad)
        self._shadows[id(tensor)] = placed
        kind: StorageKind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
        self._recorder.storages.see(placed, kind, is_weight=True)
        return placed

    def _container(self, index: int, seen: _Module) -> int:
        """Return a module's own index if it has children, else its parent's."""
        if any(True for _ in seen.module.children()):
            return index
        parent = seen.path.rpartition(".")[0] or "."
        return next(i for i, other in enumerate(self._modules) if other.path == parent)

    def stand_ins_for(self, inputs: Any) -> Any:
        """Return the inputs with each tensor placed for the run, one that is given twice once."""
        placed: dict[int, Tensor] = {}

        def stand_in(tensor: Tensor) -> Tensor:
            if id(tensor) not in placed:
                placed[id(tensor)] = self._place(tensor).detach().requires_grad_(tensor.requires_grad)
                self._recorder.storages.see(placed[id(tensor)], "input")
            return placed[id(tensor)]

        return map_tensors(inputs, stand_in)

    def gradients(self, arguments: Any) -> list[Tensor]:
        """Return the gradients that parameters and inputs have got."""
        leaves = (*self._shadows.values(), *tensors_in(arguments))
        return [leaf.grad for leaf in leaves if leaf.grad is not None]

    def wrap(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return a forward that reports its entering and leaving."""
        index = self._index[id(module)]
        seen = self._modules[index]
        stack = self._recorder.layers

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._enter(seen, args, kwargs)
            stack.append(index)
            try:
                output = forward(*args, **kwargs)
            except (Exception, SystemExit):
                if self._failed is None:
                    self._failed = seen, tuple(map(tensor_info, tensors_in((args, kwargs))))
                raise
            finally:
                stack.pop()
            self._leave(seen, output)
            return output

        watched.__wrapped__ = forward  # type: ignore[attr-defined]  # inspect.signature follows it
        return watched

    def _enter(self, seen: _Module, args: Any, kwargs: Any) -> None:
        if self._recorder.is_backward:
            return  # a checkpointed module runs again; that is no further call
        self.saw_autocast |= torch.is_autocast_enabled("cuda") or torch.is_autocast_enabled("cpu")
        step = self._recorder.next_step()
        seen.calls += 1
        if seen.first_step is None:
            seen.first_step = step
            seen.inputs = tuple(map(tensor_info, tensors_in((args, kwargs))))

    def _leave(self, seen: _Module, output: Any) -> None:
        if self._recorder.is_backward:
            return
        infos = tuple(map(tensor_info, tensors_in(output)))
        seen.output_elements += prod(infos[0].shape) if infos else 0
        seen.output_bytes += sum(info.size_bytes for info in infos)
        if seen.calls == 1:
            seen.outputs = infos

    def failure(self, error: BaseException) -> ForwardError:
        """Return the error that names the innermost layer that failed, its input and its kernel."""
        if self._failed is None:
            problem = (
                "its backward pass fails" if self._recorder.is_backward else "it cannot be called with these inputs"
            )
            return ForwardError(f"{problem}: {_first_line(error)}")
        seen, inputs = self._failed
        shapes = ", ".join(format_dimensions(info.shape) or "a scalar" for info in inputs) or "no tensor"
        kernel = getattr(seen.module, "kernel_size", None)
        window = "" if kernel is None else f" with kernel {format_dimensions(_pair(kernel))}"
        where = f"layer {seen.path} ({type(seen.module).__name__})"
        reason = _mismatch(seen.module, inputs) or _first_line(error)
        return ForwardError(f"{where} fails on input {shapes}{window}: {reason}")

    def layers(self) -> tuple[Layer, ...]:
        """Return what was seen, each parameter on the first module that owns it."""
        counted: set[int] = set()
        return tuple(
            Layer(
                path=seen.path,
                type=type(seen.module).__name__,
                depth=0 if seen.path == "." else seen.path.count(".") + 1,
                is_leaf=not any(True for _ in seen.module.children()),
                is_torchs=type(seen.module).__module__.startswith("torch."),
                calls=seen.calls,
                first_step=seen.first_step,
                inputs=seen.inputs,
                outputs=seen.outputs,
                output_elements=seen.output_elements,
                output_bytes=seen.output_bytes,
                parameters=tuple(self._parameters_of(owned, counted)),
            )
            for seen, owned in zip(self._modules, self._owned, strict=True)
        )

    def _parameters_of(self, owned: Any, counted: set[int]) -> Any:
        for name, parameter in owned:
            if parameter is None or id(parameter) in counted:
                continue
            counted.add(id(parameter))
            stand_ins = (parameter, self._shadows.get(id(parameter), parameter))
            yield Parameter(
                name=name,
                numel=parameter.numel(),
                size_bytes=parameter.numel() * parameter.element_size(),
                trainable=parameter.requires_grad,
                was_read=any(map(self._recorder.storages.was_read, stand_ins)),
            )


def _pair(kernel: int | tuple[int, ...]) -> tuple[int, ...]:
    return (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)


# Where torch's layers keep the size that they expect, and the dimension of the input in which they expect it.
_EXPECTED = (("in_channels", 1, "channels"), ("num_features", 1, "channels"), ("in_features", -1, "features"))


def _mismatch(module: nn.Module, inputs: tuple[TensorInfo, ...]) -> str | None:
    """Say in plain words that the input has another number of channels or features than the layer, if that is so."""
    shape = inputs[0].shape if inputs else ()
    for attribute, dimension, noun in _EXPECTED:
        expected = getattr(module, attribute, None)
        if expected is not None and len(shape) > 1 and shape[dimension] != expected:
            return f"it takes {expected} {noun}, not {shape[dimension]}"
    return None
