"""Map operators of the backward pass to the forward call that they belong to.

Every node of the autograd graph has a sequence number, and torch names the node that the backward pass is at. Its
operators belong to the layer that ran when the node was made. These functions are private to torch and called only
here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(slots=True)
class Origin:
    """The layer and the forward operator that an operation belongs to.

    `owners` are the layers with the parameters that the operator multiplies by, which are known once it has run.
    """

    layer: int
    operator: str
    owners: tuple[int, ...] = ()


class NodeOrigins:
    """Maps nodes of the autograd graph to their origins."""

    def __init__(self) -> None:
        self._origins: dict[int, Origin] = {}
        self._expected: dict[int, Origin] = {}
        self._visited: deque[Any] = deque()
        self._task: int | None = None

    def remember(self, origin: Origin) -> None:
        """Record that the operator of `origin` made the newest node, unless that has an origin already."""
        # An operator that makes no node comes later than the one that made the newest.
        self._origins.setdefault(_next_number() - 1, origin)

    def expect(self, origin: Origin) -> None:
        """Record that the next node belongs to the operator of `origin`, unless another one makes it.

        An in-place operator on a view makes its node after it ran.
        """
        self._expected[_next_number()] = origin

    def current(self) -> Origin | None:
        """Return the origin of the node that the backward pass is at; None outside it and for unknown nodes.

        The operator is empty while a checkpoint recomputes its forward: operators then have no other origin.
        """
        node = torch._C._current_autograd_node()
        if node is None:
            return None
        self._keep(node)
        number = node._sequence_nr()
        origin = self._origins.get(number) or self._expected.get(number)
        recomputes = torch.is_grad_enabled() or node.name() == "CheckpointFunctionBackward"
        return Origin(origin.layer, "") if origin is not None and recomputes else origin

    def _keep(self, node: Any) -> None:
        # Not the nodes of a nested backward pass (a re-entrant checkpoint): its gradients would be copied then.
        task = torch._C._current_graph_task_id()
        self._task = task if self._task is None else self._task
        if task == self._task and (not self._visited or self._visited[-1] is not node):
            self._visited.append(node)

    def release(self) -> None:
        """Free the visited nodes one by one, from the outputs' side, after all other references to them are gone.

        torch frees nodes that have Python objects recursively: 50,000 in a row overflow the stack.
        """
        while self._visited:
            self._visited.popleft()


def _next_number() -> int:
    return int(torch.autograd._get_sequence_nr())  # type: ignore[attr-defined]  # private to torch
