"""Describe operator overloads: the properties that do not depend on an operator's arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator

from archbench.errors import UsageError
from archbench.trace import backward_shapes, costs, kernel_shapes  # noqa: F401  # importing shapes registers rules
from archbench.trace.shapes import find_shape_rule

_ORIGINS = {
    **{f"aten.{name}": "aten.scaled_dot_product_attention" for name in costs.ATTENTION_KERNELS},
    "higher_order.flex_attention": "aten.flex_attention",
}

# Operators whose kernel reads the lengths of sequences, on the CPU also where their data is not.
_READING_LENGTHS = frozenset(("aten._pack_padded_sequence", "aten._pack_padded_sequence_backward"))


@dataclass(frozen=True, slots=True)
class Operator:
    """The properties of an operator overload, which do not depend on its arguments.

    `origin` is the name of the function that the user called, where the operator is one of several kernels for it.
    """

    name: str
    origin: str
    shape_rule: Callable[..., Any] | None
    is_free: bool = False
    is_view: bool = False
    is_composite: bool = False
    mutates: bool = False
    overwrites: int = 0
    is_generator: bool = False
    is_quantized: bool = False
    reads_lengths: bool = False
    out_arguments: frozenset[str] = frozenset()
    written_lists: tuple[int, ...] = ()


# Those described so far.
OPERATORS: dict[Any, Operator] = {}


def describe(func: Any) -> Operator:
    """Return the description of an operator, and keep it in `OPERATORS`.

    Raises UsageError for a higher-order operator that is not followed.
    """
    if isinstance(func, HigherOrderOperator):
        return _describe_higher_order(func)
    name = func._schema.name.replace("::", ".")
    is_view = costs.is_view(func._schema)
    operator = Operator(
        name=name,
        origin=_ORIGINS.get(name, name),
        shape_rule=find_shape_rule(str(func)),
        is_free=name in costs.FREE or name.startswith("profiler.") or is_view,
        is_view=is_view,
        is_composite=func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd),
        mutates=_mutates_first(func._schema),
        overwrites=1 if name in costs.OVERWRITING else 0,
        is_generator=name in costs.GENERATORS,
        is_quantized="quantized" in name,
        reads_lengths=name in _READING_LENGTHS,
        out_arguments=frozenset(a.name for a in func._schema.arguments if a.is_out),
        written_lists=_written_lists(func._schema),
    )
    OPERATORS[func] = operator
    return operator


def _describe_higher_order(func: HigherOrderOperator) -> Operator:
    name = f"higher_order.{func.__name__}"
    if costs.find_rule(name) is None:
        raise UsageError(f"the higher-order operator {func.__name__} cannot be traced; its functions are not followed")
    operator = Operator(name, _ORIGINS.get(name, name), find_shape_rule(name))
    OPERATORS[func] = operator
    return operator


def _written_lists(schema: torch._C.FunctionSchema) -> tuple[int, ...]:
    """Return the positions of the lists of tensors that an operator without results writes to.

    The gradients of an optimizer's fused operator are left out: only a gradient scaler, not used here, writes to them.
    """
    if schema.returns:
        return ()
    return tuple(
        i
        for i, argument in enumerate(schema.arguments)
        if str(argument.type) == "List[Tensor]" and argument.name != "grads" and _is_written(argument)
    )


def _is_written(argument: torch._C.Argument) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _mutates_first(schema: torch._C.FunctionSchema) -> bool:
    first = schema.arguments[0] if schema.arguments else None
    return first is not None and str(first.type) == "Tensor" and _is_written(first)


def operands(operator: Operator, args: Any, kwargs: dict[str, Any]) -> list[Tensor]:
    """Return the tensors that an operator reads, including those in lists."""
    found: list[Tensor] = []
    for value in args:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(item for item in value if isinstance(item, Tensor))
    for name, value in kwargs.items():
        if isinstance(value, Tensor) and name not in operator.out_arguments:
            found.append(value)
    return found
