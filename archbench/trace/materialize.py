"""Prepare a run on real data: tensors with values and unfused kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Disable torch's fused kernels, so that layers decompose on real data as they do on the meta device."""
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


class Materialiser:
    """Returns real tensors for a run: copies, since the run may change them, and random values for meta tensors."""

    def __init__(self, model: nn.Module) -> None:
        devices = (parameter.device for parameter in model.parameters())
        self._device = next((device for device in devices if device.type != "meta"), torch.device("cpu"))

    def __call__(self, tensor: Tensor) -> Tensor:
        """Return a copy of a real tensor; for a meta tensor normal values (integers: zeros) on the model's device."""
        if not tensor.is_meta:
            return tensor.detach().clone()
        if tensor.is_floating_point() or tensor.is_complex():
            return torch.randn(tensor.shape, dtype=tensor.dtype, device=self._device)
        return torch.zeros(tensor.shape, dtype=tensor.dtype, device=self._device)
