"""Track which module of a model runs, and which tensors stand in for its own.

Each module's `forward` is wrapped to report when it is entered and left. Unlike a forward hook this also sees a direct
call of `.forward`, and keeps torch's fast path for modules without hooks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from archbench.errors import ForwardError
from archbench.trace.autocast import autocast
from archbench.trace.copying.copier import ObjectCopier
from archbench.trace.copying.model import copy_model
from archbench.trace.pytree import tensors_in
from archbench.trace.recorder import Recorder
from archbench.trace.records import Call, Layer, Parameter, StorageKind, TensorInfo
from archbench.trace.stored_tensors import inner_tensors, logical_shape, map_inner, memory_key, scales, stored_bytes
from archbench.trace.tensor_records import tensor_info
from archbench.trace.values import to_meta
from archbench.units import format_dimensions

# Elements up to which a tensor that is not a parameter, and an integer buffer, has values in a run without data.
_SMALL = 65_536


@dataclass(frozen=True, slots=True)
class _Owned:
    """A parameter of a module before the run: its stand-in, and whether it is trained."""

    name: str
    tensor: Tensor
    trainable: bool


@dataclass(slots=True)
class _ModuleState:
    """The calls, inputs and outputs of one module so far."""

    path: str
    module: nn.Module
    parameters: tuple[_Owned, ...]
    calls: int = 0
    first_step: int | None = None
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    output_elements: int = 0
    output_bytes: int = 0


class ModuleTracker:
    """Copies a model and its inputs for one run, and tracks which module runs.

    `model` is the copy, `calls` are those of its modules that have ended. `place` returns the tensor that the run uses
    in place of a given one. Checkpointed modules, which run again in the backward pass, then run under autocast in
    `autocast_dtype`, unless it is None. With `keeps_values` the tensors of the copy have values; with `external_frozen`
    its tensors that are neither parameters nor buffers require no gradient.
    """

    def __init__(
        self,
        model: nn.Module,
        recorder: Recorder,
        place: Callable[[Tensor], Tensor],
        autocast_dtype: torch.dtype | None,
        *,
        keeps_values: bool,
        external_frozen: bool,
    ) -> None:
        self._recorder = recorder
        self._autocast_dtype = autocast_dtype
        self._place = place
        self._keeps_values = keeps_values
        self._external_frozen = external_frozen
        self._stand_ins: dict[int, Tensor] = {}
        self._originals: dict[int, Tensor] = {}
        self._by_memory: dict[Hashable, Tensor] = {}
        self._scales: set[int] = set()
        self._inputs: list[Tensor] = []
        self._failed: tuple[_ModuleState, tuple[TensorInfo, ...]] | None = None
        self.saw_autocast = False
        self.calls: list[Call] = []
        self._copier = ObjectCopier(self._external)
        self.model = copy_model(model, self._copier, self._stand_in)
        self._modules = [
            _ModuleState(path or ".", module, tuple(_owned(module))) for path, module in self.model.named_modules()
        ]
        self._index = {id(state.module): i for i, state in enumerate(self._modules)}
        recorder.containers = self._containers()
        for i, state in enumerate(self._modules):
            for owned in state.parameters:
                for stored in itertools.chain(inner_tensors(owned.tensor), scales(owned.tensor)):
                    recorder.storages.add_owner(stored, i)

    def _stand_in(self, tensor: Tensor) -> Tensor:
        """Return the tensor that replaces a parameter or buffer during the run."""
        see = self._recorder.storages.see
        if not tensor.is_meta:
            for stored in inner_tensors(tensor):
                see(stored, None, is_weight=True)
        keeps_values = self._keeps_values or (type(tensor) is Tensor and tensor.numel() <= _SMALL)
        placed = map_inner(tensor, self._place if keeps_values else to_meta).detach()
        if isinstance(tensor, nn.Parameter):
            placed = nn.Parameter(placed, requires_grad=tensor.requires_grad)
        self._stand_ins[id(tensor)] = placed
        self._originals[id(placed)] = tensor
        kind: StorageKind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
        for stored in inner_tensors(placed):
            see(stored, kind, is_weight=True, is_own=True)
        self._scales.update(map(id, scales(tensor)))
        self._by_memory[memory_key(tensor)] = placed
        return placed

    def _external(self, tensor: Tensor) -> Tensor:
        """Return the copy of a tensor that is neither a parameter nor a buffer; a small one keeps its values.

        That of a parameter's data, held under another name, has the data of its stand-in. Scales are weights too.
        """
        if (placed := self._by_memory.get(memory_key(tensor))) is not None:
            return placed.detach()
        is_placed = self._keeps_values or tensor.numel() > _SMALL
        copied = (self._place(tensor) if is_placed else _clone(tensor)).detach()
        if id(tensor) in self._scales:
            self._recorder.storages.see(copied, "parameter", is_weight=True, is_own=True)
        requires_grad = tensor.requires_grad and tensor.is_leaf and not self._external_frozen
        if isinstance(tensor, nn.Parameter):
            return nn.Parameter(copied, requires_grad=requires_grad)
        return copied.requires_grad_(requires_grad)

    def _containers(self) -> list[int]:
        """Return for each module its own index if it has children, otherwise its parent's."""
        by_path = {state.path: i for i, state in enumerate(self._modules)}
        return [
            i if any(True for _ in state.module.children()) else by_path[state.path.rpartition(".")[0] or "."]
            for i, state in enumerate(self._modules)
        ]

    def replace_inputs(self, inputs: Any) -> Any:
        """Return a copy of the inputs with each tensor replaced for the run; one that is given twice stays one."""
        self._copier.replace = self._input
        return self._copier.copy(inputs)

    def _input(self, tensor: Tensor) -> Tensor:
        placed = self._place(tensor).detach().requires_grad_(tensor.requires_grad)
        self._recorder.storages.see(placed, "input", is_own=True)
        self._inputs.append(placed)
        return placed

    @property
    def input_storages(self) -> tuple[int, ...]:
        """The numbers of the storages of the inputs."""
        return tuple(self._recorder.storages.see(tensor, "input") for tensor in self._inputs)

    def leaves(self) -> list[Tensor]:
        """Return the stand-ins of parameters and inputs."""
        return [*self._stand_ins.values(), *self._inputs]

    def gradients(self) -> list[Tensor]:
        """Return the gradients of parameters and inputs."""
        return [leaf.grad for leaf in self.leaves() if leaf.grad is not None]

    def parameters_with_gradients(self) -> list[Tensor]:
        """Return the stand-ins of the parameters that an optimizer updates."""
        return [tensor for tensor in self._stand_ins.values() if tensor.grad is not None]

    def wrap(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return `forward` wrapped to report when it is entered and left."""
        index = self._index[id(module)]
        state = self._modules[index]
        stack = self._recorder.layers

        def tracked(*args: Any, **kwargs: Any) -> Any:
            begin = self._enter(state, args, kwargs)
            runs_again = self._recorder.is_backward and not stack
            stack.append(index)
            try:
                with autocast(self._autocast_dtype if runs_again else None):
                    output = forward(*args, **kwargs)
            except (Exception, SystemExit):
                if self._failed is None:
                    self._failed = state, tuple(map(tensor_info, tensors_in((args, kwargs))))
                raise
            finally:
                stack.pop()
            self._leave(state, index, begin, output)
            return output

        tracked.__wrapped__ = forward  # type: ignore[attr-defined]  # inspect.signature follows it
        return tracked

    def _enter(self, state: _ModuleState, args: Any, kwargs: Any) -> int:
        """Record that a call begins, and return its step."""
        if self._recorder.is_backward:
            return 0  # a checkpointed module runs again, which does not count as a call
        self.saw_autocast |= torch.is_autocast_enabled("cuda") or torch.is_autocast_enabled("cpu")
        step = self._recorder.next_step()
        state.calls += 1
        if state.first_step is None:
            state.first_step = step
            state.inputs = tuple(map(tensor_info, tensors_in((args, kwargs))))
        return step

    def _leave(self, state: _ModuleState, index: int, begin: int, output: Any) -> None:
        if self._recorder.is_backward:
            return
        infos = tuple(map(tensor_info, tensors_in(output)))
        self.calls.append(Call(index, begin, self._recorder.step, infos))
        state.output_elements += prod(infos[0].shape) if infos else 0
        state.output_bytes += sum(info.size_bytes for info in infos)
        if state.calls == 1:
            state.outputs = infos

    def where(self) -> str:
        """Return the innermost layer that failed, in words."""
        if self._failed is None:
            return "the backward pass" if self._recorder.is_backward else "its forward"
        state = self._failed[0]
        return type(state.module).__name__ if state.path == "." else f"layer {state.path}"

    def failure(self, error: BaseException) -> ForwardError:
        """Return an error that names the innermost layer that failed, its input and its kernel."""
        if self._failed is None:
            problem = (
                "its backward pass fails" if self._recorder.is_backward else "it cannot be called with these inputs"
            )
            return ForwardError(f"{problem}: {message_line(error)}")
        state, inputs = self._failed
        shapes = ", ".join(format_dimensions(info.shape) or "a scalar" for info in inputs) or "no tensor"
        kernel = getattr(state.module, "kernel_size", None)
        window = "" if kernel is None else f" with kernel {format_dimensions(_pair(kernel))}"
        own = type(state.module).__name__
        where = f"the model itself ({own})" if state.path == "." else f"layer {state.path} ({own})"
        reason = _mismatch(state.module, inputs) or message_line(error)
        return ForwardError(f"{where} fails on input {shapes}{window}: {reason}")

    def layers(self) -> tuple[Layer, ...]:
        """Return a record of each module, with every parameter on the first module that owns it."""
        counted: set[int] = set()
        return tuple(
            Layer(
                path=state.path,
                type=type(state.module).__name__,
                depth=0 if state.path == "." else state.path.count(".") + 1,
                is_leaf=not any(True for _ in state.module.children()),
                is_torch_module=type(state.module).__module__.startswith("torch."),
                calls=state.calls,
                first_step=state.first_step,
                inputs=state.inputs,
                outputs=state.outputs,
                output_elements=state.output_elements,
                output_bytes=state.output_bytes,
                parameters=tuple(self._parameters_of(state.parameters, counted)),
                connections=_connections(state.module),
            )
            for state in self._modules
        )

    def _parameters_of(self, owned: tuple[_Owned, ...], counted: set[int]) -> Iterator[Parameter]:
        for parameter in owned:
            tensor = parameter.tensor
            if id(tensor) in counted:
                continue
            counted.add(id(tensor))
            original = self._originals.get(id(tensor), tensor)
            stored = itertools.chain(inner_tensors(tensor), inner_tensors(original))
            shape = logical_shape(tensor)
            yield Parameter(
                name=parameter.name,
                shape=shape,
                numel=prod(shape),
                size_bytes=stored_bytes(tensor),
                trainable=parameter.trainable,
                was_read=any(map(self._recorder.storages.was_read, stored)),
            )


def _connections(module: nn.Module) -> tuple[tuple[int, ...], ...]:
    """Return a module's attribute `connections` if that has the input maps of each output map; otherwise nothing."""
    stated = vars(module).get("connections")
    is_table = isinstance(stated, tuple) and all(
        isinstance(row, tuple) and all(type(number) is int for number in row) for row in stated
    )
    return stated if isinstance(stated, tuple) and is_table else ()


def _owned(module: nn.Module) -> Iterator[_Owned]:
    for name, tensor in module._parameters.items():
        if tensor is not None:
            yield _Owned(name, tensor, tensor.requires_grad)


def _clone(tensor: Tensor) -> Tensor:
    """Return a copy on the CPU, where a run without data makes its tensors; a meta tensor stays one."""
    return tensor.cpu() if tensor.is_cuda else tensor.clone()


def _pair(kernel: int | tuple[int, ...]) -> tuple[int, ...]:
    return (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)


# The attributes in which torch's layers keep the size they expect, and the input dimension that must have it.
_EXPECTED = (("in_channels", 1, "channels"), ("num_features", 1, "channels"), ("in_features", -1, "features"))


def _mismatch(module: nn.Module, inputs: tuple[TensorInfo, ...]) -> str | None:
    """Return a message if the input has another number of channels or features than the layer expects."""
    shape = inputs[0].shape if inputs else ()
    for attribute, dimension, noun in _EXPECTED:
        expected = getattr(module, attribute, None)
        if expected is not None and len(shape) > 1 and shape[dimension] != expected:
            return f"it takes {expected} {noun}, not {shape[dimension]}"
    return None


def message_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
