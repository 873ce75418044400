"""Track which module of a model runs, and which tensors stand in for its own.

Each module's `forward` is wrapped to report when it is entered and left. Unlike a forward hook this also sees a direct
call of `.forward`, and keeps torch's fast path for modules without hooks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from archbench.errors import ForwardError
from archbench.trace.autocast import autocast
from archbench.trace.pytree import map_tensors, tensors_in
from archbench.trace.recorder import Recorder, tensor_info
from archbench.trace.records import Layer, Parameter, StorageKind, TensorInfo
from archbench.units import format_dimensions


@dataclass(slots=True)
class _ModuleState:
    """The calls, inputs and outputs of one module so far."""

    path: str
    module: nn.Module
    calls: int = 0
    first_step: int | None = None
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    output_elements: int = 0
    output_bytes: int = 0


class ModuleTracker:
    """Tracks which module runs, and which tensors stand in for its parameters and buffers.

    `place` returns the tensor that the run uses in place of a given one. Checkpointed modules, which run again in the
    backward pass, then run under autocast in `autocast_dtype`, unless it is None.
    """

    def __init__(
        self,
        model: nn.Module,
        recorder: Recorder,
        place: Callable[[Tensor], Tensor],
        autocast_dtype: torch.dtype | None,
    ) -> None:
        self._recorder = recorder
        self._autocast_dtype = autocast_dtype
        self._place = place
        self._modules = [_ModuleState(path or ".", module) for path, module in model.named_modules()]
        self._index = {id(state.module): i for i, state in enumerate(self._modules)}
        self._stand_ins: dict[int, Tensor] = {}
        self.saw_autocast = False
        self._failed: tuple[_ModuleState, tuple[TensorInfo, ...]] | None = None
        for tensor in (*model.parameters(), *model.buffers()):
            if not tensor.is_meta:
                recorder.storages.see(tensor, None, is_weight=True)
        recorder.containers = self._containers()
        # Read before the model is patched: then its dictionaries hold the stand-ins.
        self._owned = [list(state.module._parameters.items()) for state in self._modules]

    def stand_in(self, tensor: Tensor) -> Tensor:
        """Return the tensor that replaces a parameter or buffer during the run."""
        placed = self._place(tensor).detach()
        if isinstance(tensor, nn.Parameter):
            placed = nn.Parameter(placed, requires_grad=tensor.requires_grad)
        self._stand_ins[id(tensor)] = placed
        kind: StorageKind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
        self._recorder.storages.see(placed, kind, is_weight=True)
        return placed

    def _containers(self) -> list[int]:
        """Return for each module its own index if it has children, otherwise its parent's."""
        by_path = {state.path: i for i, state in enumerate(self._modules)}
        return [
            i if any(True for _ in state.module.children()) else by_path[state.path.rpartition(".")[0] or "."]
            for i, state in enumerate(self._modules)
        ]

    def replace_inputs(self, inputs: Any) -> Any:
        """Return the inputs with each tensor replaced for the run; a tensor that is given twice stays one."""
        placed: dict[int, Tensor] = {}

        def replace(tensor: Tensor) -> Tensor:
            if id(tensor) not in placed:
                placed[id(tensor)] = self._place(tensor).detach().requires_grad_(tensor.requires_grad)
                self._recorder.storages.see(placed[id(tensor)], "input")
            return placed[id(tensor)]

        return map_tensors(inputs, replace)

    def gradients(self, arguments: Any) -> list[Tensor]:
        """Return the gradients of parameters and inputs."""
        leaves = (*self._stand_ins.values(), *tensors_in(arguments))
        return [leaf.grad for leaf in leaves if leaf.grad is not None]

    def parameters_with_gradients(self) -> list[Tensor]:
        """Return the stand-ins of the parameters that an optimizer updates."""
        return [tensor for tensor in self._stand_ins.values() if tensor.grad is not None]

    def wrap(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return `forward` wrapped to report when it is entered and left."""
        index = self._index[id(module)]
        state = self._modules[index]
        stack = self._recorder.layers

        def tracked(*args: Any, **kwargs: Any) -> Any:
            self._enter(state, args, kwargs)
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
            self._leave(state, output)
            return output

        tracked.__wrapped__ = forward  # type: ignore[attr-defined]  # inspect.signature follows it
        return tracked

    def _enter(self, state: _ModuleState, args: Any, kwargs: Any) -> None:
        if self._recorder.is_backward:
            return  # a checkpointed module runs again, which does not count as a call
        self.saw_autocast |= torch.is_autocast_enabled("cuda") or torch.is_autocast_enabled("cpu")
        step = self._recorder.next_step()
        state.calls += 1
        if state.first_step is None:
            state.first_step = step
            state.inputs = tuple(map(tensor_info, tensors_in((args, kwargs))))

    def _leave(self, state: _ModuleState, output: Any) -> None:
        if self._recorder.is_backward:
            return
        infos = tuple(map(tensor_info, tensors_in(output)))
        state.output_elements += prod(infos[0].shape) if infos else 0
        state.output_bytes += sum(info.size_bytes for info in infos)
        if state.calls == 1:
            state.outputs = infos

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
        where = f"layer {state.path} ({type(state.module).__name__})"
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
                parameters=tuple(self._parameters_of(owned, counted)),
            )
            for state, owned in zip(self._modules, self._owned, strict=True)
        )

    def _parameters_of(self, owned: Any, counted: set[int]) -> Any:
        for name, parameter in owned:
            if parameter is None or id(parameter) in counted:
                continue
            counted.add(id(parameter))
            stand_ins = (parameter, self._stand_ins.get(id(parameter), parameter))
            yield Parameter(
                name=name,
                numel=parameter.numel(),
                size_bytes=parameter.numel() * parameter.element_size(),
                trainable=parameter.requires_grad,
                was_read=any(map(self._recorder.storages.was_read, stand_ins)),
            )


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
