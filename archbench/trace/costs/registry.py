"""The registry of cost formulas: small, pure functions of shapes.

Conventions. A MAC is one multiply-accumulate of a convolution or matrix product; bias, activation and
pooling are not MACs. A FLOP is one floating-point operation; integer and boolean arithmetic does not count,
and neither does moving, selecting or generating values. Products of integers are the exception, and with them quantised
operators: they count as their floating-point forms do, so that a quantised model compares with its original.
Comparisons of floating-point numbers count, in sorting too. Padding is multiplied like any other input.
Where a rule is not a count of MACs, its source is the operator's definition in the torch documentation.

Complex numbers: a MAC of two is 4 real MACs; an elementwise operation counts each part, a product 6 FLOPs and a
quotient 11.

A formula takes the operator's own arguments and `out`, its result; it may use nothing of a tensor but shape
and dtype. The first line of its docstring is the rule that `archbench costs` prints; a cost written with `count`
(`archbench.trace.costs.symbolic`) carries the symbolic formula that `archbench explain` prints. The formulas stand
beside this file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch


class Cost(NamedTuple):
    """MACs and FLOPs of one call; `read_bytes` is None if every input is read completely.

    `recomputed_macs` are those of products that a fused kernel computes a second time, to keep less in memory. They are
    not part of `macs`, but their operations are part of `flops`.
    """

    macs: int = 0
    flops: int = 0
    read_bytes: int | None = None
    recomputed_macs: int = 0


Formula = Callable[..., Cost]


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the published table: an operator, its formula, and the rule in words.

    `is_elementwise` says that each element of the result depends on one element of each input.
    """

    operator: str
    formula: Formula
    text: str
    is_elementwise: bool = False


_RULES: dict[str, Rule] = {}

# Views are recognised by their schema; these create, view or look at tensors without saying so, and move no data.
FREE = frozenset(
    f"aten.{name}"
    for name in (
        "as_strided_", "_assert_async", "_assert_tensor_metadata", "_coalesced_", "dense_dim", "detach", "detach_",
        "_dimI", "_dimV", "empty", "_empty_affine_quantized", "empty_like", "_empty_per_channel_affine_quantized",
        "empty_permuted", "empty_quantized", "empty_strided", "_functional_assert_async", "_has_same_storage_numel",
        "is_coalesced", "is_pinned", "is_same_size", "is_set_to", "lift", "lift_fresh", "_linalg_check_errors",
        "_local_scalar_dense", "new_empty", "new_empty_strided", "_nnz", "q_per_channel_axis", "q_scale",
        "q_zero_point", "qscheme", "_reshape_alias", "resize_", "resize_as_", "_resize_output_", "set_",
        "_sparse_compressed_tensor_with_dims", "_sparse_coo_tensor_with_dims",
        "_sparse_coo_tensor_with_dims_and_tensors", "sparse_dim", "sparse_resize_", "sparse_resize_and_clear_",
        "squeeze_", "sym_numel", "sym_size", "sym_stride", "t_", "transpose_", "unsafe_chunk", "unsafe_split",
        "unsafe_split_with_sizes", "_unsafe_view", "unsqueeze_", "_use_cudnn_ctc_loss",
        "_validate_compressed_sparse_indices",
    )
)  # fmt: skip

# In-place operators that overwrite their first argument without reading it.
OVERWRITING = frozenset(
    f"aten.{name}_"
    for name in (
        "bernoulli", "cauchy", "copy", "exponential", "fill", "geometric", "log_normal", "normal", "random",
        "uniform", "zero",
    )
)  # fmt: skip

# Operators that use nothing of their tensors but shape and dtype; those without tensors need no mention. `lift_fresh`
# makes a tensor of a constant in the code.
GENERATORS = frozenset(
    f"aten.{name}"
    for name in (
        "empty_like", "full_like", "lift_fresh", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros",
        "ones_like", "rand_like", "randint_like", "randn_like", "zeros_like",
    )
)  # fmt: skip


def cost(*operators: str, namespace: str = "aten", is_elementwise: bool = False) -> Callable[[Formula], Formula]:
    """Register the decorated formula for operators, named without their namespace and without a trailing `_`."""

    def register(formula: Formula) -> Formula:
        for operator in operators:
            name = f"{namespace}.{operator}"
            assert name not in _RULES, f"{name} has a rule already"
            _add(name, formula, is_elementwise)
        return formula

    return register


def register_cost(operator: Any, formula: Formula) -> None:
    """Count calls of `operator` with `formula` from now on, replacing its rule if it has one.

    `operator` is `torch.ops.namespace.name`, one of its overloads, or a string such as `"aten.sort"`. `formula` takes
    the operator's arguments and the keyword `out`, its result, and returns a `Cost`; the first line of its docstring is
    what `archbench costs` prints. Raises TypeError for anything else.
    """
    if isinstance(operator, str):
        _add(operator, formula)
    elif isinstance(operator, torch._ops.OpOverload):
        _add(operator._schema.name.replace("::", "."), formula)
    elif isinstance(operator, torch._ops.OpOverloadPacket):
        _add(operator._qualified_op_name.replace("::", "."), formula)
    else:
        raise TypeError(f"a cost is registered for an operator such as torch.ops.aten.sort, not {operator!r}")


def _add(name: str, formula: Formula, is_elementwise: bool = False) -> None:
    text = (formula.__doc__ or "a rule of the user's own").strip().splitlines()[0]
    _RULES[name] = Rule(name, formula, text.rstrip("."), is_elementwise)


def find_rule(operator: str) -> Rule | None:
    """Return the rule for `aten.name`, also under its in-place name `aten.name_`, or None."""
    return _RULES.get(operator) or _RULES.get(operator.removesuffix("_"))


def all_rules() -> tuple[Rule, ...]:
    """Return every rule: those with MACs first, else by name."""
    return tuple(sorted(_RULES.values(), key=lambda rule: (not rule.text.startswith("MACs"), rule.operator)))


def is_view(schema: torch._C.FunctionSchema) -> bool:
    """Return whether an operator returns a view: results that alias an input and write to none."""
    return any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)
