"""Names of models in results that have one entry per model."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any

from torch import nn

from archbench.errors import UsageError
from archbench.models.loaded import Model, name_of, require_model
from archbench.models.patterns import expanded


def named_models(models: Model | Sequence[Model] | Mapping[str, Model]) -> list[tuple[str, Model]]:
    """Return the name and the model of each row; modules of one class are numbered, and patterns expanded.

    Raises UsageError if there are none, TypeError for what is neither a module nor an address.
    """
    if isinstance(models, Mapping):
        named = list(models.items())
    else:
        named = []
        is_single = isinstance(models, (str, nn.Module)) or not isinstance(models, Iterable)
        several: Any = [models] if is_single else models
        for model in expanded(several):
            require_model(model)
            taken = [name for name, _ in named]
            named.append((model if isinstance(model, str) else unique_name(name_of(model), taken), model))
    if not named:
        raise UsageError("{models} is empty; give at least one model", models=...)
    return named


def unique_name(name: str, taken: Container[str]) -> str:
    """Return a name, numbered if it is taken: modules of one class share theirs."""
    numbered = (f"{name} ({number})" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)
