"""What an allocator and a device's libraries need beyond the tensors: two terms, each with its rule.

- Rounding: torch's CUDA allocator hands out blocks of 512 bytes.
- Workspaces: cuBLAS keeps one for each thread that multiplies matrices, 32 MiB from compute capability 9.0 on and
  2 x 4096 + 8 x 16 KiB before (torch's `CUBLAS_WORKSPACE_CONFIG`); backward runs in a thread of its own. A convolution
  in tensor cores and NCHW copies its input, weight and result to channels last: as much as the largest one needs.
  What else cuDNN takes depends on the algorithm that it chooses and is not foreseen.
"""

from __future__ import annotations

from archbench.analyze.memory.timeline import peak_moment
from archbench.analyze.performance.roofline import Conditions, copies_to_channels_last
from archbench.trace.records import Trace

_BLOCK = 512
_WORKSPACE = {"before": (2 * 4096 + 8 * 16) * 1024, "hopper": 32 * 2**20}
_PRODUCTS = frozenset(f"aten.{name}" for name in ("addbmm", "addmm", "addmv", "baddbmm", "bmm", "dot", "mm", "mv"))


def rounding_bytes(trace: Trace) -> int:
    """Return what rounding adds at the moment of the peak."""
    step = peak_moment(trace).step
    there = (s for s in trace.storages if s.born <= step and (s.died is None or step <= s.died))
    return sum(-storage.size_bytes % _BLOCK for storage in there)


def workspace_bytes(trace: Trace, conditions: Conditions) -> int:
    """Return what cuBLAS and cuDNN take on an NVIDIA device, 0 elsewhere."""
    capability = conditions.device.compute_capability
    if capability is None:
        return 0
    products = {op.is_backward for op in trace.operations if op.name in _PRODUCTS}
    each = _WORKSPACE["hopper" if capability >= 9.0 else "before"]
    copies = (
        sum(info.size_bytes for info in (*op.inputs, *op.outputs))
        for op in trace.operations
        if copies_to_channels_last(op, conditions)
    )
    return len(products) * each + max(copies, default=0)
