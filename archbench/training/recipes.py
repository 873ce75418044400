"""Training recipes by name: the same for every model, or each model's own from its paper."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from archbench.errors import UsageError, choose


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyperparameters of a training: everything but the model, the data and the machine.

    `warm_up` is the fraction of the steps in which the learning rate rises from 0. Then `cosine` decays it to 0,
    `plateau` divides it by 10 when the validation loss stops falling, `milestones` divides it by 10 after half and
    after three quarters of the steps, `exponential` multiplies it by 0.96 every 8 epochs, and `constant` keeps it.
    `clip_norm` bounds the norm of all gradients, `filter_rms` the root mean square of each convolution's filter.
    `initialisation` is a name that `archbench.training.model.initialise` knows.
    """

    name: str
    optimizer: Literal["sgd", "adam"]
    learning_rate: float
    batch: int
    initialisation: str
    epochs: float = 10.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "plateau", "milestones", "exponential", "constant"] = "plateau"
    warm_up: float = 0.0
    clip_norm: float | None = None
    filter_rms: float | None = None

    def warm_up_steps(self, steps: int) -> int:
        """Return how many of the first steps of a training are warm-up."""
        return round(self.warm_up * steps)


# Trains every model that was tried: the equal comparison.
EQUAL = Recipe("equal", "sgd", 0.01, batch=64, initialisation="kaiming", schedule="cosine", warm_up=0.1, clip_norm=1.0)
# As a well-known lecture trains AlexNet: weights as constructed, Adam at its default rate, negative log-likelihood.
LECTURE = Recipe(
    "lecture",
    "adam",
    1e-3,
    batch=512,
    initialisation="torch",
    epochs=5.0,
    momentum=0.0,
    weight_decay=0.0,
    schedule="constant",
)
# By a model's name or its letters: Krizhevsky et al. 2012, section 5; Zeiler and Fergus 2013, section 3; Simonyan and
# Zisserman 2014, section 3.1, with the initialisation that they recommend there; Szegedy et al. 2014, section 6, and
# where that is silent its replication in Caffe; He et al. 2015, sections 3.4 and 4.2.
_RESNET = Recipe("paper", "sgd", 0.1, batch=256, weight_decay=1e-4, initialisation="paper")
_CIFAR_RESNET = replace(_RESNET, batch=128, schedule="milestones")
PAPERS: Mapping[str, Recipe] = {
    "alexnet": Recipe("paper", "sgd", 0.01, batch=128, initialisation="paper"),
    "zfnet": Recipe("paper", "sgd", 0.01, batch=128, initialisation="paper", filter_rms=0.1),
    "vgg": Recipe("paper", "sgd", 0.01, batch=256, initialisation="xavier"),
    "googlenet": Recipe(
        "paper", "sgd", 0.01, batch=32, weight_decay=2e-4, schedule="exponential", initialisation="paper"
    ),
    "resnet": _RESNET,
    "resnet20": _CIFAR_RESNET,
    "resnet32": _CIFAR_RESNET,
}
NAMES = ("equal", "paper", "lecture")


def find_recipe(name: str, model: str) -> Recipe:
    """Return the recipe of that name for a model's address.

    Raises UsageError, naming the nearest, for an unknown name, and for `paper` where no paper's recipe is known.
    """
    if choose("recipe", name, NAMES) != "paper":
        return EQUAL if name == "equal" else LECTURE
    names = re.match(r"(?P<own>(?P<family>[a-z]*)[0-9]*)", model)
    assert names is not None, "the pattern also matches an empty text"
    recipe = PAPERS.get(names["own"]) or PAPERS.get(names["family"])
    if recipe is None or ":" in model:  # the vgg of another library may be anything
        known = ", ".join(dict.fromkeys(name.rstrip("0123456789") for name in PAPERS))
        raise UsageError(
            f"{model}: a paper's recipe is known for {known} only; {{recipe}} trains any model", recipe="equal"
        )
    return recipe
