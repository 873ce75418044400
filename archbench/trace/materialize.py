"""Give a run on real data tensors with values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import torch
from torch import Tensor, nn

from archbench.errors import ArchbenchError, DeviceError
from archbench.trace.stored_tensors import stored_bytes
from archbench.units import format_bytes


class Materialiser:
    """Returns real tensors for a run: copies, since the run may change them, and random values for meta tensors.

    `made_values` states whether any tensor was made so.
    """

    def __init__(self, model: nn.Module) -> None:
        devices = (parameter.device for parameter in model.parameters())
        self._device = next((device for device in devices if device.type != "meta"), torch.device("cpu"))
        self._names = {id(tensor): name for name, tensor in _weights(model)}
        self.made_values = False

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return a copy of a real tensor; for a meta tensor random values (integers: zeros) on the model's device."""
        if not tensor.is_meta:
            return tensor.detach().clone()
        self.made_values = True
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return torch.zeros(tensor.shape, dtype=tensor.dtype, device=self._device)
        dtype = tensor.dtype if tensor.element_size() > 1 else torch.float32  # no random numbers in float8
        values = torch.randn(tensor.shape, dtype=dtype, device=self._device)
        return _scaled(values, self._names.get(id(tensor))).to(tensor.dtype)


def _scaled(values: Tensor, name: str | None) -> Tensor:
    """Scale normal values as an initialised model's: a layer's outputs are then about as large as its inputs."""
    if name is None or values.is_complex():
        return values
    if values.dim() > 1:
        return values.div_((values.numel() // values.shape[0]) ** 0.5 or 1)
    # Vectors are biases and means, near 0, or factors and variances, which are near 1 and positive.
    centre = 0.0 if "bias" in name or "mean" in name else 1.0
    return values.clamp_(-3, 3).div_(50).add_(centre)


@contextmanager
def enough_memory(model: nn.Module, reason: str) -> Iterator[None]:
    """Raise DeviceError, which gives the reason, if a copy of a model's weights does not fit in free memory."""
    needed = sum(stored_bytes(tensor) for _, tensor in _weights(model))
    free: int = import_module("psutil").virtual_memory().available
    need = f"{type(model).__name__} needs {format_bytes(needed)} of weights, because {reason}"
    if needed > free:
        raise DeviceError(f"{need}, and {format_bytes(free)} are free")
    try:
        yield
    except RuntimeError as error:
        # A limit of the process may be below what is free.
        if isinstance(error, ArchbenchError) or "allocate" not in str(error):
            raise
        raise DeviceError(f"{need}, which this process cannot allocate") from error


def _weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and tensor of each parameter and buffer once."""
    return itertools.chain(model.named_parameters(), model.named_buffers())
