"""Which forward call an operator of the backward pass belongs to.

Every node of the autograd graph has a sequence number, and while backward runs torch tells which node it is at.
Whoever ran in forward when the node was made is whom its backward operators belong to. These calls are private to
torch; they are made here and nowhere else.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import torch


class NodeOrigins:
    """Maps nodes of the autograd graph to where they were made: a layer and an operator."""

    def __init__(self) -> None:
        self._origins: dict[int, tuple[int, str]] = {}
        self._expected: dict[int, tuple[int, str]] = {}
        self._visited: deque[Any] = deque()
        self._task: int | None = None

    def remember(self, layer: int, operator: str) -> None:
        """Say that the node made last, if any, was made by `operator` in `layer`; the first to say so is right."""
        # Operators that make no node come later and find the one before them taken.
        self._origins.setdefault(_next_number() - 1, (layer, operator))

    def expect(self, layer: int, operator: str) -> None:
        """Say that the next node, unless another operator makes it, belongs to `operator` in `layer`.

        Writing into a view makes its node after the operator ran.
        """
        self._expected[_next_number()] = (layer, operator)

    def current(self) -> tuple[int, str] | None:
        """Return where the node was made that the backward pass is at; None outside it and for unknown nodes.

        The operator is empty while a checkpoint computes its forward again: whatever runs then runs for itself.
        """
        node = torch._C._current_autograd_node()
        if node is None:
            return None
        self._keep(node)
        number = node._sequence_nr()
        origin = self._origins.get(number) or self._expected.get(number)
        computes_again = torch.is_grad_enabled() or node.name() == "CheckpointFunctionBackward"
        return (origin[0], "") if origin is not None and computes_again else origin

    def _keep(self, node: Any) -> None:
        # Not those of a backward pass inside this one (a re-entrant checkpoint): its gradients would be copied then.
        task = torch._C._current_graph_task_id()
        self._task = task if self._task is None else self._task
        if task == self._task and (not self._visited or self._visited[-1] is not node):
            self._visited.append(node)

    def release(self) -> None:
        """Let go of the nodes that were visited, one by one from the outputs' side; call it when nobody else has any.

        torch frees a graph of nodes that Python has seen recursively: 50,000 in a row overflow the stack.
        """
        while self._visited:
            self._visited.popleft()


def _next_number() -> int:
    return int(torch.autograd._get_sequence_nr())  # type: ignore[attr-defined]  # private to torch
