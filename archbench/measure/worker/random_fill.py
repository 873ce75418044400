"""Random values for large weights in a fraction of the time: VGG-16 draws 138 million numbers twice, for 4 seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# As many numbers are drawn and repeated. It is prime, so that the rows of a matrix differ.
_NUM_DRAWN = 1_000_003
_FILLS = (torch.ops.aten.normal_.default, torch.ops.aten.uniform_.default)


class RepeatedFill(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch types the base class partly
    """Within this block `normal_` and `uniform_` repeat their first million numbers in larger tensors on a CPU.

    The distribution is the same, and so is the time of a step, which does not depend on the values of dense operands.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see archbench.trace.recorder.Recorder

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator, or fill its tensor by repetition."""
        given = kwargs or {}
        if func not in _FILLS or not _is_large(args[0]):
            return func(*args, **given)
        tensor: torch.Tensor = args[0]
        first, *others = torch.split(tensor.view(-1), _NUM_DRAWN)
        func(first, *args[1:], **given)
        for other in others:
            other.copy_(first[: other.numel()])
        return tensor


def _is_large(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.numel() > _NUM_DRAWN and tensor.is_contiguous()
