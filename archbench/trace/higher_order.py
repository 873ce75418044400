"""Follow higher-order operators: those that take functions, such as `torch.cond`.

Their kernels for autograd trace the functions into graphs. Here the functions run as they are written,
so that each of their operators is recorded and has a backward pass of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator

# Those whose kernel for real data composes other operators. That of a loop reads values, which needs data.
_COMPOSED = ("associative_scan", "hints_wrapper", "map_impl", "out_dtype", "while_loop", "while_loop_stack_output")


class HigherOrderOperators:
    """Functions that take the place of higher-order operators.

    `has_unknown_branches` states that the first branch ran of an operator that chooses by a value which is not known.
    """

    def __init__(self) -> None:
        self.has_unknown_branches = False

    def replacements(self) -> dict[HigherOrderOperator, Callable[..., Any]]:
        """Return the function for each operator that can be followed and that this version of torch has."""
        known: dict[str, HigherOrderOperator] = torch._ops._higher_order_ops
        composite = torch._C.DispatchKey.CompositeExplicitAutograd
        functions: dict[str, Callable[..., Any]] = {
            **{name: known[name].py_kernels[composite] for name in _COMPOSED if name in known},
            "cond": self._cond,
            "switch": self._switch,
            "invoke_subgraph": lambda function, _, *operands: function(*operands),
            "strict_mode": lambda function, operands: function(*operands),
            "scan": _scan,
        }
        return {known[name]: function for name, function in functions.items() if name in known}

    def _cond(self, predicate: Any, true: Callable[..., Any], false: Callable[..., Any], operands: Any) -> Any:
        return (true if self._is_unknown(predicate) or predicate else false)(*operands)

    def _switch(self, index: Any, branches: Sequence[Callable[..., Any]], operands: Any) -> Any:
        return branches[0 if self._is_unknown(index) else int(index)](*operands)

    def _is_unknown(self, value: Any) -> bool:
        is_unknown = isinstance(value, Tensor) and value.is_meta
        self.has_unknown_branches |= is_unknown
        return is_unknown


def _scan(
    combine: Callable[..., Any], init: Sequence[Tensor], data: Sequence[Tensor], others: Sequence[Any] = (), **_: Any
) -> tuple[Any, ...]:
    """Return the last carry and the stacked results of each step; torch's kernel writes them in place."""
    carry, results = tuple(init), []
    for step in zip(*data, strict=True):
        combined = combine(*carry, *step, *others)
        carry = tuple(combined[: len(init)])
        results.append(combined[len(init) :])
    return *carry, *(torch.stack(outputs) for outputs in zip(*results, strict=True))
