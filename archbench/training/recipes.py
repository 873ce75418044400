"""How models are trained, by name: one recipe for all, or each model's own as its paper has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from archbench.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything about training that is not the model, the data or the machine.

    `warm_up` is the part of all steps in which the rate rises from 0. `cosine` then lets it fall to 0, `plateau`
    divides it by 10 where the validation loss no longer falls, `constant` keeps it. `clip_norm` bounds the norm of all
    gradients, `filter_rms` the root mean square of each convolution's filter. `initialisation` is a name that
    `archbench.training.model.initialise` knows.
    """

    name: str
    optimizer: Literal["sgd", "adam"]
    learning_rate: float
    batch: int
    initialisation: str
    epochs: float = 10.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "plateau", "constant"] = "plateau"
    warm_up: float = 0.0
    clip_norm: float | None = None
    filter_rms: float | None = None


# It trained every model that was tried: the equal comparison.
EQUAL = Recipe("equal", "sgd", 0.01, batch=64, initialisation="kaiming", schedule="cosine", warm_up=0.1, clip_norm=1.0)
# As one well-known lecture trains AlexNet: what constructors draw, Adam at its usual rate, negative log-likelihood.
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
# By the beginning of the model's name: Krizhevsky et al. 2012, section 5; Zeiler and Fergus 2013, section 3; Simonyan
# and Zisserman 2014, section 3.1, with the initialisation that they advise there.
PAPERS: Mapping[str, Recipe] = {
    "alexnet": Recipe("paper", "sgd", 0.01, batch=128, initialisation="paper"),
    "zfnet": Recipe("paper", "sgd", 0.01, batch=128, initialisation="paper", filter_rms=0.1),
    "vgg": Recipe("paper", "sgd", 0.01, batch=256, initialisation="xavier"),
}
NAMES = ("equal", "paper", "lecture")


def find_recipe(name: str, model: str) -> Recipe:
    """Return the recipe of that name for a model's address.

    Raises UsageError, naming the nearest, if there is none, or where no paper's recipe is known.
    """
    if name == "equal":
        return EQUAL
    if name == "lecture":
        return LECTURE
    if name != "paper":
        raise UsageError(f"there is no recipe '{name}'; there are {', '.join(NAMES)}{nearest(name, NAMES)}")
    family = re.match(r"[a-z]*", model)
    assert family is not None, "the pattern matches nothing, too"
    if family.group() not in PAPERS or ":" in model:  # somebody else's vgg may be anything
        known = ", ".join(PAPERS)
        raise UsageError(f"{model}: a paper's recipe is known for {known} only; --recipe equal trains any model")
    return PAPERS[family.group()]
