"""The update of the parameters: unscale, clip and apply gradients, unless something is not finite.

That is decided on the device: a fused optimizer reads a flag and leaves the parameters, and its own state, as they are
where it is set. The host need not know before it launches the next step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from archbench.errors import InputError
from archbench.training.recipes import Recipe


class Update:
    """Updates a model's parameters by a recipe. With `scales_loss`, steps whose gradients overflow are only skipped.

    Otherwise, and after a loss that is not finite, no later step updates anything either.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, device: str, *, scales_loss: bool) -> None:
        self._optimizer = _optimizer(model, recipe)
        self._scaler = torch.amp.GradScaler(device, enabled=scales_loss)
        self._parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        self._clip_norm = recipe.clip_norm
        self._has_failed = torch.zeros((), device=self._parameters[0].device)
        self._is_skipped = torch.zeros_like(self._has_failed) if scales_loss else self._has_failed
        self._optimizer.found_inf = self._is_skipped  # type: ignore[attr-defined]  # what fused optimizers read

    @property
    def scales_loss(self) -> bool:
        """Whether the loss is scaled against underflow in float16."""
        return self._scaler.is_enabled()

    def begin(self, rate: float) -> None:
        """Set the learning rate and clear the gradients."""
        self._optimizer.zero_grad()
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch's

    def apply(self, loss: Tensor) -> Tensor:
        """Launch the update, and return the norm of the gradients before clipping. Waits for nothing.

        `loss` must be equal in all processes that train together, as gradients are after their reduction.
        """
        self._scaler.unscale_(self._optimizer)
        parameters = [parameter for parameter in self._parameters if parameter.grad is not None]
        norm = get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        self._set_flags(loss, norm)
        if self._clip_norm is not None:
            clip_grads_with_norm_(parameters, self._clip_norm, norm)
        # Not through the scaler: it would overwrite the flag by its own, which ignores the loss.
        self._optimizer.step()
        self._scaler.update()
        return norm

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned, also of earlier versions, whose optimizers were not fused."""
        groups = [{**group, "fused": True, "foreach": None} for group in state["optimizer"]["param_groups"]]
        self._optimizer.load_state_dict({**state["optimizer"], "param_groups": groups})
        self._scaler.load_state_dict(state["scaler"])

    def _set_flags(self, loss: Tensor, norm: Tensor) -> None:
        if not self.scales_loss:
            self._has_failed.masked_fill_(_is_not_finite(loss + norm), 1.0)
            return
        self._has_failed.masked_fill_(_is_not_finite(loss), 1.0)
        self._is_skipped.copy_(self._has_failed).masked_fill_(_is_not_finite(norm), 1.0)


def _is_not_finite(value: Tensor) -> Tensor:
    """Return whether a number is infinite or NaN, in fewer kernels than `isfinite`."""
    return (value - value) != 0


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise InputError("the model has no parameter to train")
    rates: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "fused": True}
    if recipe.optimizer == "adam":
        return torch.optim.Adam(trained, **rates)
    optimizer = torch.optim.SGD(trained, momentum=recipe.momentum, **rates)
    if recipe.momentum:
        # A fused optimizer that skips its first step would keep memory that was never written as its momentum.
        for parameter in trained:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
