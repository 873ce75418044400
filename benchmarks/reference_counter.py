"""torch's FlopCounterMode as the reference for MACs, with what is known to be missing or wrong in it.

A correction is what to add to half of torch's FLOPs, by reason, so that a difference that remains is unexplained. Each
is derived here from the operator's definition, apart from the rules of `archbench.trace.costs`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from archbench.trace.pytree import tensors_in

aten = torch.ops.aten

GROUPS = "groups"
COMPLEX = "complex"
EXPERTS = "experts"
VECTORS = "vectors"
DISTANCES = "distances"
IN_PLACE = "in place"
FUSED = "fused"
QUANTIZED = "quantized"
GRID = "grids"

# Why each correction is right: who leaves out or adds what.
REASONS = {
    GROUPS: "torch's formula for the gradients of a convolution ignores `groups`: it pairs every input channel with "
    "every output channel. The input's and the weight's gradient each take as many multiplications as forward: "
    "outputs × input channels of a group × kernel elements.",
    COMPLEX: "torch counts a product of complex numbers as one multiply-accumulate; it takes four of real numbers, "
    "(a + bi)(c + di) = (ac − bd) + (ad + bc)i.",
    EXPERTS: "torch has no formula for `_grouped_mm`, with which transformers multiplies all experts at once: rows × "
    "inner size × columns.",
    VECTORS: "torch has no formulas for `mv`, `addmv`, `dot`, `vdot` and `addr`: inner size × elements of the result.",
    DISTANCES: "torch has no formula for `_euclidean_dist`, inside of `cdist`: it computes a² − 2ab + b² in one "
    "matrix product with two more features: results × (features + 2).",
    IN_PLACE: "torch has formulas for `addmm` and `baddbmm`, none for `addmm_` and `baddbmm_`.",
    FUSED: "torch has no formula for `_trilinear` (nn.Bilinear), `addbmm` and `_addmm_activation`.",
    QUANTIZED: "torch has no formulas for quantized convolutions and linear layers: as in floating point.",
    GRID: "torch has no formula for `affine_grid_generator`: each coordinate is a row of the matrix times a position.",
}


@dataclass
class Reference:
    """What torch counts, in MACs, and the corrections by reason.

    `fvcore_extra` is what fvcore adds to the MACs: by its rules normalisation, pooling and resampling cost flops too.
    Published figures of models were often counted with it.
    """

    macs: float = 0
    corrections: Counter[str] = field(default_factory=Counter)
    fvcore_extra: int = 0

    @property
    def corrected(self) -> float:
        """MACs with all corrections."""
        return self.macs + sum(self.corrections.values())


def call(model: nn.Module, inputs: Any) -> Any:
    """Call a model as archbench does: a tuple holds arguments, a dict keyword arguments."""
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def count(model: nn.Module, inputs: Any, mode: str) -> Reference:
    """Count a forward pass, in mode `train` also the backward pass from the sum of all floating-point outputs."""
    reference = Reference()
    model.train(mode == "train")
    counter = FlopCounterMode(display=False, custom_mapping=_formulas(reference))
    counter.mod_tracker = _NoModules()  # type: ignore[assignment]  # only totals are wanted; torch's fails on some models
    with counter, _plain_operators(), torch.set_grad_enabled(mode == "train"):
        outputs = [tensor for tensor in tensors_in(call(model, inputs)) if tensor.requires_grad]
        if outputs:
            torch.autograd.backward(outputs, [torch.ones_like(tensor) for tensor in outputs])
    reference.macs = counter.get_total_flops() / 2
    return reference


class _NoModules:
    """Stands for FlopCounterMode's tracker of modules."""

    parents = ("Global",)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def _plain_operators() -> Iterator[None]:
    """Let attention and recurrent layers run as the products that torch has formulas for."""
    is_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fast)


def _formulas(reference: Reference) -> dict[Any, Callable[..., int]]:
    """Return formulas for FlopCounterMode: torch's own, or 0, with the rest noted in `reference`."""
    corrections = reference.corrections
    formulas = {operator: _only_fvcore(flops, reference) for operator, flops in _FVCORE.items()}
    for reason, rules in _MISSING.items():
        for operator, macs in rules.items():
            formulas[operator] = _noted(reason, macs, corrections)
    for operator in (aten.mm, aten.bmm, aten.addmm, aten.baddbmm, aten.convolution):
        formulas[operator] = _complex(flop_registry[operator], corrections)
    formulas[aten.convolution_backward] = _convolution_backward(corrections)
    return formulas


def _raw(formula: Callable[..., int]) -> Callable[..., int]:
    """Mark a formula as one that takes tensors, not shapes."""
    formula._get_raw = True  # type: ignore[attr-defined]  # as torch's register_flop_formula does
    return formula


def _noted(reason: str, macs: Callable[..., int], corrections: Counter[str]) -> Callable[..., int]:
    def formula(*args: Any, out_val: Any = None, **_: Any) -> int:
        result = next(tensors_in(out_val))
        corrections[reason] += macs(*args, out=result) * (4 if result.is_complex() else 1)
        return 0

    return _raw(formula)


def _only_fvcore(flops: Callable[..., int], reference: Reference) -> Callable[..., int]:
    def formula(*args: Any, out_val: Any = None, **_: Any) -> int:
        reference.fvcore_extra += flops(*args, out=next(tensors_in(out_val)))
        return 0

    return _raw(formula)


def _complex(of_torch: Callable[..., int], corrections: Counter[str]) -> Callable[..., int]:
    def formula(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        flops: int = of_torch(*args, out_val=out_val, **kwargs)
        if out_val.is_complex():
            corrections[COMPLEX] += 3 * flops // 2
        return flops

    return _raw(formula)


def _convolution_backward(corrections: Counter[str]) -> Callable[..., int]:
    def formula(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        grad, x, weight, *_, transposed, _, groups, wanted = args
        flops: int = flop_registry[aten.convolution_backward](*args, out_val=out_val, **kwargs)
        if groups > 1:
            macs = (x if transposed else grad).numel() * prod(weight.shape[1:]) * (wanted[0] + wanted[1])
            corrections[GROUPS] += macs - flops // 2
        return flops

    return _raw(formula)


def _grouped(a: Tensor, b: Tensor, *_: Any, out: Tensor) -> int:
    """Rows × inner size × columns; of one dimension the groups share the rows, columns or the inner size."""
    if a.dim() == b.dim() == 3:
        return out.numel() * a.shape[-1]
    if a.dim() == 3:  # the columns are shared
        return prod(a.shape[1:]) * b.shape[-1]
    # Rows, or with two dimensions each the inner size, are shared.
    return prod(a.shape) * b.shape[-1]


def _trilinear(a: Tensor, b: Tensor, c: Tensor, *_: Any, out: Tensor) -> int:
    """Product of the first input with the weight, summed over its features, and that of the result with the second."""
    rows, outputs = out.numel() // out.shape[-1], out.shape[-1]
    return rows * outputs * (a.shape[-1] * c.shape[-1] + c.shape[-1])


def _quantized_convolution(x: Tensor, packed: Any, *_: Any, out: Tensor) -> int:
    weight: Tensor = torch.ops.quantized.conv2d_unpack(packed)[0]
    return out.numel() * prod(weight.shape[1:])


def _quantized_linear(x: Tensor, packed: Any, *_: Any, out: Tensor) -> int:
    return out.numel() * x.shape[-1]


def _inner(a: Tensor, *_: Any, out: Tensor) -> int:
    return out.numel() * a.shape[-1]


def _inner_of_second(_added: Tensor, a: Tensor, *_: Any, out: Tensor) -> int:
    return out.numel() * a.shape[-1]


def _normalised(x: Tensor, weight: Tensor | None) -> int:
    return x.numel() * (4 if weight is None else 5)


def _batch_normalised(
    x: Tensor, weight: Tensor | None, bias: Any, mean: Any, variance: Any, training: bool, *_: Any, out: Any
) -> int:
    return _normalised(x, weight) if training else x.numel() * (1 if weight is None else 2)


# The rules of fvcore/nn/jit_handles.py for operators other than products, by ATen operator.
_FVCORE: dict[Any, Callable[..., int]] = {
    aten.native_batch_norm: _batch_normalised,
    aten._native_batch_norm_legit: _batch_normalised,
    aten._native_batch_norm_legit_no_training: lambda x, weight, *_, out: x.numel() * (1 if weight is None else 2),
    aten.cudnn_batch_norm: _batch_normalised,
    aten.native_layer_norm: lambda x, _, weight, *_args, out: _normalised(x, weight),
    aten.native_group_norm: lambda x, weight, *_, out: _normalised(x, weight),
    aten.upsample_nearest2d: lambda *_, out: out.numel(),
    aten.upsample_bilinear2d: lambda *_, out: 4 * out.numel(),
    aten._adaptive_avg_pool2d: lambda x, *_, out: x.numel(),
    # To one pixel ATen pools by a mean; other means, which fvcore does not count, have other axes.
    aten.mean: lambda x, axes=None, *_, out: x.numel() if axes == [-1, -2] else 0,
    aten.grid_sampler_2d: lambda *_, out: 4 * out.numel(),
}

# Operators without a formula of torch's, with their MACs.
_MISSING: dict[str, dict[Any, Callable[..., int]]] = {
    EXPERTS: {aten._grouped_mm: _grouped},
    VECTORS: {
        aten.mv: _inner,
        aten.dot: _inner,
        aten.vdot: _inner,
        aten.addmv: _inner_of_second,
        aten.addmv_: _inner_of_second,
        aten.addr: lambda *_, out: out.numel(),
    },
    DISTANCES: {aten._euclidean_dist: lambda a, _, out: out.numel() * (a.shape[-1] + 2)},
    IN_PLACE: {aten.addmm_: _inner_of_second, aten.baddbmm_: _inner_of_second},
    FUSED: {
        aten._addmm_activation: _inner_of_second,
        aten.addbmm: lambda _, a, b, *_args, out: a.numel() * b.shape[-1],
        aten._trilinear: _trilinear,
    },
    GRID: {aten.affine_grid_generator: lambda theta, *_, out: out.numel() * theta.shape[-1]},
    QUANTIZED: {
        torch.ops.quantized.conv2d: _quantized_convolution,
        torch.ops.quantized.conv2d_relu: _quantized_convolution,
        torch.ops.quantized.linear: _quantized_linear,
        torch.ops.quantized.linear_dynamic: _quantized_linear,
        torch.ops.quantized.linear_relu: _quantized_linear,
        aten._int_mm: _inner,
    },
}
