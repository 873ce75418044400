"""Follow which module of a model runs, and which tensors stand for its own.

Which module is running is known because each borrowed module reports entering and leaving its forward; unlike a
forward hook this also sees a direct call of `.forward`, and leaves torch's fast path for modules without hooks.
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


class Watch:
    """Follows which module runs, and which tensors stand for its parameters.

    What a checkpoint runs again in the backward pass runs under autocast again, in `autocast_dtype` unless it is None.
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
        self._modules = [_Module(path or ".", module) for path, module in model.named_modules()]
        self._index = {id(seen.module): i for i, seen in enumerate(self._modules)}
        self._shadows: dict[int, Tensor] = {}
        self.saw_autocast = False
        self._failed: tuple[_Module, tuple[TensorInfo, ...]] | None = None
        for tensor in (*model.parameters(), *model.buffers()):
            if not tensor.is_meta:
                recorder.storages.see(tensor, None, is_weight=True)
        recorder.containers = self._containers()
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

    def _containers(self) -> list[int]:
        """Return for each module its own index if it has children, else its parent's."""
        by_path = {seen.path: i for i, seen in enumerate(self._modules)}
        return [
            i if any(True for _ in seen.module.children()) else by_path[seen.path.rpartition(".")[0] or "."]
            for i, seen in enumerate(self._modules)
        ]

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

    def parameters_with_gradients(self) -> list[Tensor]:
        """Return the stand-ins of the parameters that an optimizer would update."""
        return [tensor for tensor in self._shadows.values() if tensor.grad is not None]

    def wrap(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return a forward that reports its entering and leaving."""
        index = self._index[id(module)]
        seen = self._modules[index]
        stack = self._recorder.layers

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._enter(seen, args, kwargs)
            runs_again = self._recorder.is_backward and not stack
            stack.append(index)
            try:
                with autocast(self._autocast_dtype if runs_again else None):
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
            return ForwardError(f"{problem}: {first_line(error)}")
        seen, inputs = self._failed
        shapes = ", ".join(format_dimensions(info.shape) or "a scalar" for info in inputs) or "no tensor"
        kernel = getattr(seen.module, "kernel_size", None)
        window = "" if kernel is None else f" with kernel {format_dimensions(_pair(kernel))}"
        where = f"layer {seen.path} ({type(seen.module).__name__})"
        reason = _mismatch(seen.module, inputs) or first_line(error)
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


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its kind if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
