"""The tensors that store a parameter, and its logical shape: they differ where weights are quantised.

Two protocols are known, without the libraries that use them. A *wrapper subclass* of torch.Tensor (torchao's weights)
has the logical shape and names its inner tensors in `__tensor_flatten__`. A packed parameter (bitsandbytes' weights of
4 bits) is itself the packed data, with shape and scales in its `quant_state`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass, transform_subclass

from archbench.trace.pytree import tensors_in


def nested_tensors(tensor: Tensor) -> Iterator[Tensor]:
    """Yield a tensor and, if it is a wrapper subclass, those inside it, at any depth."""
    yield tensor
    if is_traceable_wrapper_subclass(tensor):
        for name in tensor.__tensor_flatten__()[0]:
            inner = getattr(tensor, name)
            if isinstance(inner, Tensor):  # not a mesh of devices
                yield from nested_tensors(inner)


def inner_tensors(tensor: Tensor) -> Iterator[Tensor]:
    """Yield the plain tensors inside a wrapper subclass, at any depth; a plain tensor itself."""
    return (inner for inner in nested_tensors(tensor) if not is_traceable_wrapper_subclass(inner))


def map_inner(tensor: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Return a tensor of the same class with each inner tensor replaced; `function(tensor)` for a plain one."""
    if not is_traceable_wrapper_subclass(tensor):
        return function(tensor)

    def replaced(_: str, inner: Any) -> Any:
        return map_inner(inner, function) if isinstance(inner, Tensor) else inner

    made: Tensor = transform_subclass(tensor, replaced)
    return made


def logical_shape(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape of the values that a parameter stands for."""
    shape = getattr(tensor.__dict__.get("quant_state"), "shape", None)
    return tuple(tensor.shape if shape is None else shape)


def stored_bytes(tensor: Tensor) -> int:
    """Return the size in bytes of a parameter's data, with the scales and zero points of quantised ones."""
    tensors = [*inner_tensors(tensor), *scales(tensor)]
    return sum(stored.numel() * stored.element_size() for stored in tensors)


def memory_key(tensor: Tensor) -> Hashable:
    """Return a key that tensors share which are the same elements of the same storage; None without a storage."""
    try:
        storage = tensor.untyped_storage()
    except NotImplementedError:  # sparse and other opaque tensors
        return None
    return storage._cdata, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype


def scales(tensor: Tensor) -> Iterator[Tensor]:
    """Yield the tensors with which a packed or integer parameter is dequantised, which are its attributes."""
    attributes = tensor.__dict__
    state = attributes.get("quant_state")
    while state is not None:  # scales may be quantised themselves, by a second state
        held: dict[str, Any] = getattr(state, "__dict__", {})
        yield from (value for value in held.values() if isinstance(value, Tensor))
        state = held.get("state2")
    if isinstance(attributes.get("SCB"), Tensor):
        yield attributes["SCB"]


def script_objects(value: Any) -> Iterator[Any]:
    """Yield the objects of TorchScript in nested lists."""
    if isinstance(value, torch.ScriptObject):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from script_objects(item)


def packed_values(packed: Any) -> int:
    """Return the number of weights and biases that a quantised layer of torch packs into one object.

    Such an object has a method `unpack`; that of a recurrent layer has others in its state.
    """
    if hasattr(packed, "unpack"):
        return sum(tensor.numel() for tensor in tensors_in(packed.unpack()))
    return sum(map(packed_values, script_objects(packed.__getstate__())))
