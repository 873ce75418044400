"""Build the data loader and the learner for one model and seed."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from archbench.precision import find_precision
from archbench.training.config import BY_ORIGIN, TrainConfig
from archbench.training.data.batches import Batches
from archbench.training.data.records import Data, Images
from archbench.training.distributed.process_group import ProcessGroup
from archbench.training.learner import Learner
from archbench.training.model.adapt import Adapted, adapt
from archbench.training.recipes import Recipe
from archbench.training.schedule import steps_per_epoch
from archbench.training.seeding import seed_all


@dataclass(frozen=True, slots=True)
class Task:
    """One model (`model` is its address, `adapted` the module as built for the data) trained with one seed."""

    config: TrainConfig
    model: str
    seed: int
    data: Data
    adapted: Adapted
    group: ProcessGroup

    @property
    def recipe(self) -> Recipe:
        """The recipe that the model is trained by."""
        return self.config.recipe_of(self.model)

    @property
    def batch(self) -> int:
        """Images per step, of all processes together."""
        return self.config.batch_of(self.model)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.config.steps_of(self.model, len(self.data.train))

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training images."""
        return steps_per_epoch(len(self.data.train), self.batch)

    def learner(self) -> Learner:
        """Return the model on its device, with its optimizer, schedule and training batches."""
        config = self.config
        module = self.adapted.model.to(config.device)
        if any(parameter.dim() == 4 for parameter in module.parameters()):
            module = module.to(memory_format=self._memory_format)
        return Learner(
            module,
            self.recipe,
            self.batches(self.data.train, is_training=True),
            steps=self.steps,
            precision=find_precision(config.dtype),
            device=config.device,
            compiled=config.compiled,
            group=self.group,
        )

    def batches(self, images: Images, *, is_training: bool = False) -> Batches:
        """Return batches in the model's input shape; for training augmented, and this process's share of each."""
        channels, height, width = self.adapted.input_shape
        return Batches(
            images,
            batch=self.batch,
            mean=self.data.mean,
            std=self.data.std,
            size=(height, width),
            channels=channels,
            device=self.config.device,
            memory_format=self._memory_format,
            augmentation=self.config.augmentation if is_training else "none",
            seed=self.seed,
            group=self.group if is_training else ProcessGroup(),
        )

    @property
    def _memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.config.layout == "nhwc" else torch.contiguous_format


def build_model(
    config: TrainConfig, model: str, seed: int, data_shape: tuple[int, int, int], num_classes: int
) -> Adapted:
    """Return a model for the data, initialised from a seed; random generators are then where training starts.

    Raises AddressError, UsageError or InputError for a model that cannot be built or fitted to the data.
    """
    seed_all(seed)
    return adapt(
        model,
        data_shape=data_shape,
        num_classes=num_classes,
        size=config.size,
        initialisation=config.initialisation_of(model),
        keeps_own=config.initialisation == BY_ORIGIN,
    )
