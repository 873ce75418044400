"""Memory that an allocator and a device's libraries need beyond the tensors.

- Rounding: torch's CUDA allocator hands out blocks of 512 bytes.
- cuBLAS workspaces: one for each thread that multiplies matrices (backward runs in a thread of its own), 32 MiB from
  compute capability 9.0 on and 2 x 4096 + 8 x 16 KiB before (torch's `CUBLAS_WORKSPACE_CONFIG`).
- Layout copies: a convolution on tensor cores in NCHW copies its input, weight and result to channels last; the largest
  of these counts. Other cuDNN workspaces depend on the algorithm that it chooses and are not predicted.
"""

from __future__ import annotations

from archbench.analyze.memory.timeline import peak_moment
from archbench.analyze.performance.kernels import copies_to_channels_last
from archbench.analyze.performance.roofline import Conditions
from archbench.trace.records import Trace

_BLOCK = 512
_WORKSPACE = {"before": (2 * 4096 + 8 * 16) * 1024, "hopper": 32 * 2**20}
_PRODUCTS = frozenset(f"aten.{name}" for name in ("addbmm", "addmm", "addmv", "baddbmm", "bmm", "dot", "mm", "mv"))


def rounding_bytes(trace: Trace) -> int:
    """Return the bytes that rounding adds at the peak."""
    step = peak_moment(trace).step
    alive = (s for s in trace.storages if s.born <= step and (s.died is None or step <= s.died))
    return sum(-storage.size_bytes % _BLOCK for storage in alive)


def workspace_bytes(trace: Trace, conditions: Conditions) -> int:
    """Return the bytes that cuBLAS and cuDNN need on an NVIDIA device, 0 on others."""
    capability = conditions.device.compute_capability
    if capability is None:
        return 0
    threads = {op.is_backward for op in trace.operations if op.name in _PRODUCTS}
    workspace = _WORKSPACE["hopper" if capability >= 9.0 else "before"]
    copies = (
        sum(info.size_bytes for info in (*op.inputs, *op.outputs))
        for op in trace.operations
        if not conditions.is_compiled and copies_to_channels_last(op, conditions.layout)
    )
    return len(threads) * workspace + max(copies, default=0)
