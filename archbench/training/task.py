"""What one model meets when it is trained: the data in its shape, and what updates it, by the plan."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from archbench.precision import find_precision
from archbench.training.config import Plan
from archbench.training.data.batches import Batches
from archbench.training.data.records import Data, Images
from archbench.training.distributed.process_group import World
from archbench.training.learner import Learner
from archbench.training.model.adapt import Adapted, adapt
from archbench.training.seeding import seed_all


@dataclass(frozen=True, slots=True)
class Setting:
    """One model, by its address, one seed, and the model as it was built for the data."""

    plan: Plan
    model: str
    seed: int
    data: Data
    adapted: Adapted
    world: World

    def learner(self) -> Learner:
        """Return the model on its device with everything that trains it."""
        plan = self.plan
        module = self.adapted.model.to(plan.kind)
        if any(parameter.dim() == 4 for parameter in module.parameters()):
            module = module.to(memory_format=self._layout)
        return Learner(
            module,
            plan.recipe_of(self.model),
            self.batches(self.data.train, is_training=True),
            steps=plan.steps_of(self.model, len(self.data.train)),
            precision=find_precision(plan.dtype),
            kind=plan.kind,
            compiled=plan.compiled,
            world=self.world,
        )

    def batches(self, images: Images, *, is_training: bool = False) -> Batches:
        """Return the images as the model takes them; this process's share of each batch, augmented, for training."""
        channels, height, width = self.adapted.input_shape
        return Batches(
            images,
            batch=self.plan.batch_of(self.model),
            mean=self.data.mean,
            std=self.data.std,
            size=(height, width),
            channels=channels,
            device=self.plan.kind,
            memory_format=self._layout,
            augmentation=self.plan.augmentation if is_training else "none",
            seed=self.seed,
            rank=self.world.rank if is_training else 0,
            world=self.world.size if is_training else 1,
        )

    @property
    def _layout(self) -> torch.memory_format:
        return torch.channels_last if self.plan.layout == "nhwc" else torch.contiguous_format


def build(plan: Plan, model: str, seed: int, data_shape: tuple[int, int, int], num_classes: int) -> Adapted:
    """Return a model for the data, initialised by the plan and a seed; the generators stand where training begins.

    Raises AddressError or InputError for a model that cannot be had so.
    """
    seed_all(seed)
    return adapt(
        model,
        data_shape=data_shape,
        num_classes=num_classes,
        size=plan.size,
        initialisation=plan.initialisation or plan.recipe_of(model).initialisation,
    )
