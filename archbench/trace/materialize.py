"""Give a run on real data tensors with values."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
