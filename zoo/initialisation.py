"""Weight initialisation by name.

Every scheme is a function that changes a model in place. Normalisation layers keep torch's weight 1 and bias 0.

Fans are numbers of connections, as Glorot and Bengio 2010 define them: fan-in of one output, fan-out of one input. An
input of a grouped convolution is connected to the filters of its own group only, so its fan-out is divided by the
number of groups; `torch.nn.init`, given the whole weight, does not know of the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import sqrt
from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo.variants import require_choice

Scheme = Callable[[nn.Module], None]
Part = tuple[Tensor, int, int]  # some weights of a layer, their fan-in and their fan-out


def initialise(model: nn.Module, init: str, paper: Scheme) -> nn.Module:
    """Initialise `model` in place by the scheme `init`, one of `SCHEMES` or `paper`, and return it.

    Parameters on the meta device are skipped. Raises ValueError for another name.
    """
    schemes = {"paper": paper, **SCHEMES}
    require_choice("init", init, schemes)
    if not any(parameter.is_meta for parameter in model.parameters()):
        schemes[init](model)
    return model


def kaiming(model: nn.Module) -> None:
    """Draw weights from N(0, 2 / fan-in) (He et al. 2015), those of a last linear layer from N(0, 0.01²); biases 0."""
    last = list(model.children())[-1]

    def draw(layer: nn.Module, weight: Tensor, fan_in: int, _: int) -> None:
        is_head = layer is last and isinstance(layer, nn.Linear)
        nn.init.normal_(weight, std=0.01 if is_head else sqrt(2 / fan_in))

    _initialise(model, draw)


def xavier(model: nn.Module) -> None:
    """Draw weights uniformly within ±sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio 2010, equation 16); biases 0."""

    def draw(_: nn.Module, weight: Tensor, fan_in: int, fan_out: int) -> None:
        bound = sqrt(6 / (fan_in + fan_out))
        nn.init.uniform_(weight, -bound, bound)

    _initialise(model, draw)


def fan_in_uniform(model: nn.Module) -> None:
    """Draw weights uniformly within ±2.4 / fan-in (LeCun et al. 1998, appendix A); biases 0."""

    def draw(_: nn.Module, weight: Tensor, fan_in: int, __: int) -> None:
        nn.init.uniform_(weight, -2.4 / fan_in, 2.4 / fan_in)

    _initialise(model, draw)


def gaussian(*, bias_one: Collection[str] = ()) -> Scheme:
    """Return the scheme of Krizhevsky et al. 2012: N(0, 0.01²), bias 1 in the layers named and 0 in the others."""

    def scheme(model: nn.Module) -> None:
        _initialise(model, lambda _, weight, *__: nn.init.normal_(weight, std=0.01), bias_one)

    return scheme


def torch_default(model: nn.Module) -> None:
    """Keep what the constructors drew: uniform within ±1/sqrt(fan-in) in torch's layers."""


SCHEMES: dict[str, Scheme] = {"kaiming": kaiming, "torch": torch_default, "xavier": xavier}


def _initialise(
    model: nn.Module, draw: Callable[[nn.Module, Tensor, int, int], object], bias_one: Collection[str] = ()
) -> None:
    """Call `draw(layer, weight, fan_in, fan_out)` for the parts of each weight layer and set its bias."""
    with torch.no_grad():
        for name, layer in model.named_modules():
            parts = _parts(layer)
            for part in parts:
                draw(layer, *part)
            if parts and layer.bias is not None:
                nn.init.constant_(layer.bias, 1.0 if name in bias_one else 0.0)


def _parts(layer: nn.Module) -> list[Part]:
    """Return the weights of a convolution or linear layer, or of a layer that has `weight_parts`, with their fans."""
    if isinstance(layer, nn.Linear):
        return [(layer.weight, layer.in_features, layer.out_features)]
    if isinstance(layer, nn.Conv2d):
        fan_out = layer.weight[:, 0].numel() // layer.groups
        return [(layer.weight, layer.weight[0].numel(), fan_out)]
    weight_parts: Any = getattr(layer, "weight_parts", list)
    return cast("list[Part]", weight_parts())
