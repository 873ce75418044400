"""Patch a user's model for one run and restore it.

While patched, each module's `forward` is wrapped, parameters and buffers are replaced by stand-ins, and training flags
are set. All of it is written into the modules' own dictionaries and restored from a copy of them, so that nothing stays
behind, also when forward raises or assigns to the model.
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
def patched(
    model: nn.Module, *, training: bool, keeps_values: bool, wrap: Wrapper, stand_in: Callable[[Tensor], Tensor]
) -> Iterator[None]:
    """Set training flags, replace every `forward` by `wrap(module, forward)` and every tensor by `stand_in(tensor)`.

    The tensors are parameters and buffers; one that modules share is replaced once. On exit every attribute, container,
    training flag and random state is restored, with `keeps_values` also the values of all other tensors. Changes that a
    forward makes inside objects that are neither containers nor plain instances (a file, a closure) are not undone.
    """
    modules = list(model.modules())
    saved = _Saved(modules, keeps_values)
    stand_ins: dict[int, Tensor] = {}
    with ExitStack() as stack:
        stack.callback(saved.restore)
        _restore_random_states(stack)
        for module in modules:
            if isinstance(module, torch.jit.ScriptModule):
                # Its forward is not Python, and its parameters are not in its dictionary.
                stack.callback(module.train, module.training)
                module.train(training)
                continue
            _replace_tensors(module, stand_ins, stand_in)
            module.__dict__["training"] = training
            module.__dict__["forward"] = wrap(module, module.forward)
        yield


def _replace_tensors(module: nn.Module, stand_ins: dict[int, Tensor], stand_in: Callable[[Tensor], Tensor]) -> None:
    registries: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
    for registry in registries:
        for name, tensor in registry.items():
            if tensor is None:
                continue
            if id(tensor) not in stand_ins:
                stand_ins[id(tensor)] = stand_in(tensor)
            registry[name] = stand_ins[id(tensor)]
    if isinstance(module, nn.RNNBase):  # holds its weights a second time, in a list
        module._flat_weights = [stand_ins.get(id(weight), weight) for weight in module._flat_weights]


def _restore_random_states(stack: ExitStack) -> None:
    stack.callback(random.setstate, random.getstate())
    stack.callback(torch.set_rng_state, torch.get_rng_state())
    numpy_random = sys.modules.get("numpy.random")  # importing it here would cost start-up
    if numpy_random is not None and hasattr(numpy_random, "set_state"):  # another thread may be importing it
        stack.callback(numpy_random.set_state, numpy_random.get_state())
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # not typed by torch
        stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())


class _Saved:
    """Shallow copies of all mutable containers reachable from modules, to be restored in place.

    With `keeps_values` also copies of the tensors on the way.
    """

    def __init__(self, modules: list[nn.Module], keeps_values: bool) -> None:
        self._copies: list[tuple[Any, Any]] = []
        self._values: list[tuple[Tensor, Tensor]] = []
        self._keeps_values = keeps_values
        # Parameters and buffers are replaced during the run, so that their values cannot change.
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
        """Restore the contents of every container, and the values of the copied tensors."""
        for tensor, values in self._values:
            tensor.detach().copy_(values)
        for container, contents in self._copies:
            if contents is None:
                container.clear()
            elif isinstance(container, dict):
                # Not cleared unless the order changed: other threads may read an attribute in between.
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
    """Return whether a value keeps its state in its own `__dict__`: a namespace, a config, an unregistered module."""
    return hasattr(value, "__dict__") and isinstance(value.__dict__, dict) and not isinstance(value, _NEVER_ENTERED)
