"""One optimizer step after another: forward, backward and update of one model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from archbench.errors import InputError
from archbench.models.user_context import running_user_code
from archbench.precision import Precision
from archbench.trace.pytree import tensors_in
from archbench.training.distributed.process_group import ProcessGroup
from archbench.training.recipes import Recipe
from archbench.training.schedule import Schedule

if TYPE_CHECKING:
    from archbench.training.data.batches import Batches

Result = TypeVar("Result")


class NonFiniteError(Exception):
    """The loss or the gradients are not finite; the parameters were not updated."""


class Learner:
    """Trains a model on its device by a recipe. `step` counts the optimizer steps made.

    `parts` is the number of micro-batches that a batch is divided into, more than 1 after it did not fit in memory; the
    gradients are accumulated, and equal those of the whole batch.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        batches: Batches,
        *,
        steps: int,
        precision: Precision,
        device: str,
        compiled: bool = False,
        group: ProcessGroup | None = None,
    ) -> None:
        self.step = 0
        self.parts = 1
        self.model = model
        self.schedule = Schedule(recipe, steps)
        self._recipe, self._batches = recipe, batches
        self._precision, self._device = precision, device
        self._optimizer = _optimizer(model, recipe)
        self._scaler = torch.amp.GradScaler(device, enabled=precision.autocast_dtype is torch.float16)
        self._is_distributed = group is not None and group.size > 1
        module: nn.Module = DistributedDataParallel(model) if self._is_distributed else model
        self._forward: Callable[[Tensor], Any] = torch.compile(module) if compiled else module

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self.schedule.rate(self.step)

    def advance(self) -> float:
        """Make one step and return its loss. Raises NonFiniteError instead of updating with such a gradient.

        A batch that does not fit in memory is divided into more micro-batches; raises torch.OutOfMemoryError when one
        image does not fit.
        """
        self.model.train()
        epoch, step = divmod(self.step, self._batches.steps_per_epoch)
        inputs, labels = self._batches.batch_at(epoch, step)
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate
        loss = self._gradients(inputs, labels)
        self._scaler.unscale_(self._optimizer)
        self._check_and_clip_gradients(loss)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._rescale_filters()
        self.step += 1
        return loss

    def scores(self, inputs: Tensor) -> Tensor:
        """Return the scores of a batch in eval mode, divided into more micro-batches if it does not fit in memory."""
        self.model.eval()
        return self._retry_in_parts(len(inputs), lambda: self._scores_in_parts(inputs))

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {
            "step": self.step,
            "parts": self.parts,
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self.schedule.state(),
            "scaler": self._scaler.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.step, self.parts = state["step"], state["parts"]
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.schedule.load(state["schedule"])
        self._scaler.load_state_dict(state["scaler"])

    def _gradients(self, inputs: Tensor, labels: Tensor) -> float:
        """Compute the gradients of the batch's mean loss, and return the loss."""
        return self._retry_in_parts(len(inputs), lambda: self._gradients_in_parts(inputs, labels))

    def _retry_in_parts(self, most: int, attempt: Callable[[], Result]) -> Result:
        """Return the result of `attempt`, which is repeated with twice the parts when it runs out of memory."""
        while True:
            try:
                return attempt()
            except torch.OutOfMemoryError:
                # Processes that train together must have equal parts: their gradient reductions correspond.
                if self.parts >= most or self._is_distributed:
                    raise
            # Outside the except block, which keeps the failed attempt's tensors alive.
            self.parts *= 2
            torch.cuda.empty_cache()

    def _scores_in_parts(self, inputs: Tensor) -> Tensor:
        with torch.no_grad(), self._autocast(), running_user_code():
            return torch.cat([scores_of(self.model(part)) for part in inputs.chunk(self.parts)])

    def _gradients_in_parts(self, inputs: Tensor, labels: Tensor) -> float:
        self._optimizer.zero_grad()
        total = torch.zeros((), device=inputs.device)
        for part, part_labels in zip(inputs.chunk(self.parts), labels.chunk(self.parts), strict=True):
            with self._autocast(), running_user_code():
                scores = scores_of(self._forward(part))
            loss = cross_entropy(scores.float(), part_labels) * (len(part) / len(inputs))
            self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch's
            total += loss.detach()
        return float(total)

    def _check_and_clip_gradients(self, loss: float) -> None:
        parameters = [parameter for parameter in self.model.parameters() if parameter.grad is not None]
        norm = get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        # In float16 single steps may overflow: the scaler skips these itself.
        if not isfinite(loss) or not (isfinite(float(norm)) or self._scaler.is_enabled()):
            quantity = "gradient" if isfinite(loss) else "loss"
            raise NonFiniteError(f"the {quantity} was not finite at step {self.step + 1}")
        if self._recipe.clip_norm is not None:
            clip_grads_with_norm_(parameters, self._recipe.clip_norm, norm)

    def _rescale_filters(self) -> None:
        """Scale filters whose root mean square exceeds the recipe's bound down to it (Zeiler and Fergus 2013)."""
        bound = self._recipe.filter_rms
        if bound is None:
            return
        with torch.no_grad():
            for module in self.model.modules():
                if isinstance(module, nn.Conv2d):
                    rms = module.weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
                    module.weight.mul_((bound / rms.clamp(min=1e-12)).clamp(max=1.0))

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = self._precision.autocast_dtype
        return nullcontext() if dtype is None else torch.autocast(self._device, dtype)


def scores_of(output: Any) -> Tensor:
    """Return the scores, N×K, from a model's output. Raises InputError if there are none."""
    for tensor in tensors_in(output):
        if tensor.dim() == 2 and tensor.is_floating_point():
            return tensor
    raise InputError("the model returns no scores: no tensor of images by classes")


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise InputError("the model has no parameter to train")
    if recipe.optimizer == "adam":
        return torch.optim.Adam(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(trained, lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
