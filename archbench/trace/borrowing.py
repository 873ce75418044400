"""Borrow a user's model for one run and give it back as it was.

While borrowed, each module's `forward` reports when it is entered and left, parameters and buffers have no data, and
training flags are as asked. All of it is written into the modules' own dictionaries and undone from a copy of them, so
that nothing stays behind, also when forward raises or assigns to the model.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Wrapper = Callable[[nn.Module, Callable[..., Any]], Callable[..., Any]]


@contextmanager
def borrowed(model: nn.Module, *, training: bool, wrap: Wrapper, shadow: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Set training flags, replace every `forward` by `wrap(module, forward)` and every tensor by `shadow(tensor)`.

    Parameters and buffers are what is shadowed, one that two modules share once. On exit every attribute, container,
    flag and the random state are what they were.
    """
    modules = list(model.modules())
    saved = [(module, dict(module.__dict__), _containers(module)) for module in modules]
    random_states = random.getstate(), torch.get_rng_state()
    shadows: dict[int, Tensor] = {}
    try:
        for module in modules:
            if isinstance(module, torch.jit.ScriptModule):
                continue  # compiled: its forward is not Python, its parameters are not in its dictionary
            _shadow_tensors(module, shadows, shadow)
            module.__dict__["training"] = training
            module.__dict__["forward"] = wrap(module, module.forward)
        yield
    finally:
        for module, attributes, containers in saved:
            _restore(module, attributes, containers)
        random.setstate(random_states[0])
        torch.set_rng_state(random_states[1])


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


def _containers(module: nn.Module) -> list[tuple[Any, Any]]:
    """Return each list, dict and set that is an attribute, with a shallow copy of its contents."""
    return [
        (value, value.copy() if value else None)
        for value in module.__dict__.values()
        if isinstance(value, (dict, list, set))
    ]


def _restore(module: nn.Module, attributes: dict[str, Any], containers: list[tuple[Any, Any]]) -> None:
    for container, contents in containers:
        if contents is None:
            container.clear()
        elif isinstance(container, list):
            container[:] = contents
        else:
            container.clear()
            container.update(contents)
    module.__dict__.update(attributes)
    for name in module.__dict__.keys() - attributes.keys():
        del module.__dict__[name]
