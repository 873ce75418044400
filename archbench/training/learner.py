"""One optimizer step after another: forward, backward and update of one model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from archbench.models.user_context import running_user_code
from archbench.precision import Precision
from archbench.training.distributed.process_group import ProcessGroup
from archbench.training.loss import loss_of, scores_of
from archbench.training.readback import Readback
from archbench.training.recipes import Recipe
from archbench.training.schedule import Schedule
from archbench.training.update import Update

if TYPE_CHECKING:
    from archbench.training.data.batches import Batches

Result = TypeVar("Result")

# The loss scale starts at 2^16 and is halved by each skipped step: at 2^-16, larger gradients are not its fault.
_MOST_SKIPPED = 32


class NonFiniteError(Exception):
    """The loss or the gradients are not finite; the parameters were not updated."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """The loss of a step over all processes, and whether any of several processes asked to stop, or to save."""

    loss: float
    stop: bool = False
    save: bool = False


class Learner:
    """Trains a model on its device by a recipe. `step` counts the steps made, `skipped` those without an update.

    Steps are skipped where gradients overflow in float16. `parts` is the number of micro-batches that a batch is
    divided into, more than 1 after it did not fit in memory; the gradients are accumulated, and equal those of the
    whole batch.
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
        self._recipe, self._batches, self._steps = recipe, batches, steps
        self._precision, self._device = precision, device
        self.skipped = self._skipped_in_a_row = 0
        self._num_read = 0
        self._update = Update(model, recipe, device, scales_loss=precision.autocast_dtype is torch.float16)
        self._readback = Readback(device)
        self._group = group or ProcessGroup()
        module: nn.Module = DistributedDataParallel(model) if self._is_distributed else model
        self._forward: Callable[[Tensor], Any] = torch.compile(module) if compiled else module

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self.schedule.rate(self.step)

    def advance(self, *, stop: bool = False, save: bool = False) -> list[StepResult]:
        """Launch one step and return the results that are known: on a GPU that of the step before, else its own.

        Raises NonFiniteError for a loss or gradient that is not finite, in all processes at the same step; no parameter
        was updated since, and `step` is that of the last update. `stop` and `save` are requests that all processes of a
        group receive with the results. A batch that does not fit in memory is divided into more micro-batches; raises
        torch.OutOfMemoryError when one image does not fit.
        """
        self.model.train()
        epoch, step = divmod(self.step, self._batches.steps_per_epoch)
        inputs, labels = self._batches.batch_at(epoch, step)
        loss = self._gradients(inputs, labels)
        if self._is_distributed:
            requests = (torch.full_like(loss, float(value)) for value in (stop, save))
            shared = self._group.mean(torch.stack((loss, *requests)))
            norm = self._update.apply(shared[0])
            self._readback.add(torch.cat((norm[None], shared)))
        else:
            self._readback.add(torch.stack((self._update.apply(loss), loss)))
        self._rescale_filters()
        self.step += 1
        return [self._checked(*numbers) for numbers in self._readback.read()]

    def settle(self) -> list[StepResult]:
        """Wait for all steps and return the results that `advance` has not. Raises NonFiniteError as it does."""
        return [self._checked(*numbers) for numbers in self._readback.read(all=True)]

    def is_finite(self) -> bool:
        """Return whether all parameters and buffers are finite."""
        return all(bool(torch.isfinite(tensor).all()) for tensor in self.model.state_dict().values())

    def scores(self, inputs: Tensor) -> Tensor:
        """Return the scores of a batch in eval mode, divided into more micro-batches if it does not fit in memory."""
        self.model.eval()
        return self._retry_in_parts(len(inputs), lambda: self._scores_in_parts(inputs))

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint; all steps must be settled."""
        return {
            "step": self.step,
            "skipped": self.skipped,
            "skipped_in_a_row": self._skipped_in_a_row,
            "parts": self.parts,
            "model": self.model.state_dict(),
            "schedule": self.schedule.state(),
            **self._update.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.step, self.parts = state["step"], state["parts"]
        self._num_read = self.step
        # Earlier versions did not count skipped steps.
        self.skipped, self._skipped_in_a_row = state.get("skipped", 0), state.get("skipped_in_a_row", 0)
        self.model.load_state_dict(state["model"])
        self.schedule.load(state["schedule"])
        self._update.load(state)

    @property
    def _is_distributed(self) -> bool:
        return self._group.size > 1

    def _gradients(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Compute the gradients of the batch's mean loss, and return the loss, on the device."""
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

    def _gradients_in_parts(self, inputs: Tensor, labels: Tensor) -> Tensor:
        self._update.begin(self.rate)
        losses = []
        for part, part_labels in zip(inputs.chunk(self.parts), labels.chunk(self.parts), strict=True):
            with self._autocast(), running_user_code():
                output = self._forward(part)
            loss = loss_of(output, part_labels)
            if len(part) < len(inputs):
                loss = loss * (len(part) / len(inputs))
            self._update.backward(loss)
            losses.append(loss.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _checked(self, norm: float, loss: float, stop: float = 0.0, save: float = 0.0) -> StepResult:
        """Return the result of the next step that is read, and count it if it was skipped."""
        self._num_read += 1
        if not isfinite(loss) or not (isfinite(norm) or self._update.scales_loss):
            quantity = "gradient" if isfinite(loss) else "loss"
            self.step = self._num_read - 1
            raise NonFiniteError(f"the {quantity} was not finite at step {self._num_read}")
        self._skipped_in_a_row = 0 if isfinite(norm) else self._skipped_in_a_row + 1
        self.skipped += not isfinite(norm)
        if self._skipped_in_a_row == min(_MOST_SKIPPED, self._steps):
            raise NonFiniteError(f"the gradient was not finite in any of {self._skipped_in_a_row} successive steps")
        return StepResult(loss, stop > 0, save > 0)

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
