"""Names of models in results that have one entry per model."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count
from typing import Any

from torch import nn

from archbench.errors import ForwardError, UsageError
from archbench.models.loaded import Inputs, Model, input_texts, name_of, require_model
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


@contextmanager
def shared_inputs(inputs: Inputs, num_models: int) -> Iterator[None]:
    """Explain, when one of several models fails within the block, that shapes replace the usual inputs of all."""
    try:
        yield
    except ForwardError as error:
        if not error.has_usual_input or num_models < 2 or not input_texts(inputs):
            raise
        advised = ForwardError(
            f"{error}; {{inputs}} is for every model: a model without a usual input can have its own, by"
            " example_inputs(batch) in its file",
            inputs=...,
        )
        advised.user_lines = error.user_lines
        raise advised from error


def unique_name(name: str, taken: Container[str]) -> str:
    """Return a name, numbered if it is taken: modules of one class share theirs."""
    numbered = (f"{name} ({number})" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)
