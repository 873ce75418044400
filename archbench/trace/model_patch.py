"""Borrow a user's model for one run and give it back as it was.

While borrowed, each module's `forward` reports when it is entered and left, parameters and buffers have stand-ins, and
training flags are as asked. All of it is written into the modules' own dictionaries and undone from a copy of them, so
that nothing stays behind, also when forward raises or assigns to the model.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

Wrapper = Callable[[nn.Module, Callable[..., Any]], Callable[..., Any]]


@contextmanager
def borrowed(
    model: nn.Module, *, training: bool, keeps_values: bool, wrap: Wrapper, shadow: Callable[[Tensor], Tensor]
) -> Iterator[None]:
    """Set training flags, replace every `forward` by `wrap(module, forward)` and every tensor by `shadow(tensor)`.

    Parameters and buffers are meant, one that two modules share once. On exit every attribute, container, flag and the
    random states are what they were; with `keeps_values` also the values of tensors that are neither. What a forward
    changes inside objects that are neither containers nor plain instances (a file, a closure) is not undone.
    """
    modules = list(model.modules())
    saved = _Saved(modules, keeps_values)
    shadows: dict[int, Tensor] = {}
    with ExitStack() as restored:
        restored.callback(saved.restore)
        _keep_random_states(restored)
        for module in modules:
            if isinstance(module, torch.jit.ScriptModule):
                # Compiled: its forward is not Python, its parameters are not in its dictionary.
                restored.callback(module.train, module.training)
                module.train(training)
                continue
            _shadow_tensors(module, shadows, shadow)
            module.__dict__["training"] = training
            module.__dict__["forward"] = wrap(module, module.forward)
        yield


def _shadow_tensors(module: nn.Module, shadows: dict[int, Tensor], shadow: Callable[[Tensor], Tensor]) -> None:
    registries: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
    for registry in registries:
        for name, tensor in registry.items():
            if tensor is None:
                continue
            if id(tensor) not in shadows:
                shadows[id(tensor)] = shadow(tensor)
            registry[name] = shadows[id(tensor)]
    if isinstance(module, nn.RNNBase):  # keeps its weights a second time, in a list
        module._flat_weights = [shadows.get(id(weight), weight) for weight in module._flat_weights]


def _keep_random_states(restored: ExitStack) -> None:
    restored.callback(random.setstate, random.getstate())
    restored.callback(torch.set_rng_state, torch.get_rng_state())
    numpy_random = sys.modules.get("numpy.random")  # importing it here would cost start-up
    if numpy_random is not None:
        restored.callback(numpy_random.set_state, numpy_random.get_state())
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch does not type it
        restored.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())


class _Saved:
    """Shallow copies of everything mutable that hangs on some modules, however deep, to be restored in place.

    With `keeps_values` also copies of the tensors found on the way.
    """

    def __init__(self, modules: list[nn.Module], keeps_values: bool) -> None:
        self._copies: list[tuple[Any, Any]] = []
        self._values: list[tuple[Tensor, Tensor]] = []
        self._keeps_values = keeps_values
        # Parameters and buffers have stand-ins, so that their values are safe.
        self._seen = {id(tensor) for module in modules for tensor in (*module.parameters(), *module.buffers())}
        for module in modules:
            self._save(module.__dict__)

    def _save(self, value: Any) -> None:
        if isinstance(value, (dict, list, set, deque)):
            if id(value) in self._seen:
                return
            self._seen.add(id(value))
            self._copies.append((value, value.copy() if value else None))
            for item in value.values() if isinstance(value, dict) else value:
                if type(item) not in _IMMUTABLE:
                    self._save(item)
        elif isinstance(value, tuple):
            for item in value:
                self._save(item)
        elif isinstance(value, Tensor):
            if self._keeps_values and not value.is_meta and id(value) not in self._seen:
                self._seen.add(id(value))
                self._values.append((value, value.detach().clone()))
        elif _is_plain_instance(value):
            self._save(value.__dict__)

    def restore(self) -> None:
        """Put back what every container held, and the values that were kept."""
        for tensor, values in self._values:
            tensor.detach().copy_(values)
        for container, contents in self._copies:
            if contents is None:
                container.clear()
            elif isinstance(container, dict):
                # Never empty in between, unless the order changed: an attribute is there at every moment.
                for key in container.keys() - contents.keys():
                    del container[key]
                if list(container) != list(contents):
                    container.clear()
                container.update(contents)
            elif isinstance(container, list):
                container[:] = contents
            else:
                container.clear()
                (container.update if isinstance(container, set) else container.extend)(contents)


_IMMUTABLE = frozenset({bool, bytes, complex, float, int, str, type(None), torch.dtype, torch.device, torch.Size})
_NEVER_ENTERED = (Tensor, type, FunctionType, MethodType, ModuleType)


def _is_plain_instance(value: Any) -> bool:
    """Say whether a value keeps its state in a dictionary of its own: a namespace, a config, an unregistered module."""
    return hasattr(value, "__dict__") and isinstance(value.__dict__, dict) and not isinstance(value, _NEVER_ENTERED)
