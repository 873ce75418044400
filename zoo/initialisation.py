"""Weight initialisation by name. Every scheme is `f(model)`, changes the model in place, and skips meta tensors.

Normalisation layers keep torch's weight 1 and bias 0 under every scheme.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from zoo.choices import require_choice

Scheme = Callable[[nn.Module], None]


def initialise(model: nn.Module, scheme: str, paper: Scheme) -> nn.Module:
    """Initialise `model` by `scheme` and return it: `paper`, or one of `SCHEMES`.

    Raises ValueError for another name.
    """
    schemes = {"paper": paper, **SCHEMES}
    require_choice("init", scheme, schemes)
    if not any(parameter.is_meta for parameter in model.parameters()):
        with torch.no_grad():
            schemes[scheme](model)
    return model


def kaiming(model: nn.Module) -> None:
    """He et al. 2015 (fan-in, normal) on all weights but a last linear layer's, which are N(0, 0.01); biases 0."""
    layers = list(_weight_layers(model))
    head = layers[-1] if isinstance(list(model.children())[-1], nn.Linear) else None
    for layer in layers:
        for weight, fan_in, _ in layer.parts:
            nn.init.normal_(weight, std=0.01 if layer is head else sqrt(2 / fan_in))
    _set_biases(layers)


def xavier(model: nn.Module) -> None:
    """Glorot and Bengio 2010 (uniform) on all weights; biases 0."""
    layers = list(_weight_layers(model))
    for layer in layers:
        for weight, fan_in, fan_out in layer.parts:
            bound = sqrt(6 / (fan_in + fan_out))
            nn.init.uniform_(weight, -bound, bound)
    _set_biases(layers)


def gaussian(*, bias_one: Collection[str] = ()) -> Scheme:
    """Return the scheme of Krizhevsky et al. 2012: N(0, 0.01), bias 1 in the layers named, 0 in the others."""

    def scheme(model: nn.Module) -> None:
        layers = list(_weight_layers(model))
        for layer in layers:
            for weight, _, _ in layer.parts:
                nn.init.normal_(weight, std=0.01)
        _set_biases(layers, ones=bias_one)

    return scheme


def fan_in_uniform(model: nn.Module) -> None:
    """LeCun et al. 1998: every weight uniform within ±2.4 / fan-in; biases 0."""
    layers = list(_weight_layers(model))
    for layer in layers:
        for weight, fan_in, _ in layer.parts:
            nn.init.uniform_(weight, -2.4 / fan_in, 2.4 / fan_in)
    _set_biases(layers)


def torch_default(model: nn.Module) -> None:
    """Leave what the constructors drew; torch's are uniform within ±1/sqrt(fan-in)."""


SCHEMES: dict[str, Scheme] = {"kaiming": kaiming, "torch": torch_default, "xavier": xavier}

Part = tuple[Tensor, int, int]


@dataclass(frozen=True, slots=True)
class _WeightLayer:
    """A layer's weights as parts with their fan-in and fan-out, and its bias."""

    name: str
    parts: list[Part]
    bias: Tensor | None


def _weight_layers(model: nn.Module) -> Iterator[_WeightLayer]:
    """Yield convolutions, linear layers, and whatever tells its `weight_parts` itself."""
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            groups = module.groups if isinstance(module, nn.Conv2d) else 1
            fan_out = module.weight.numel() // module.weight.shape[1] // groups
            yield _WeightLayer(name, [(module.weight, fan_in, fan_out)], module.bias)
        elif hasattr(module, "weight_parts"):
            yield _WeightLayer(name, module.weight_parts(), module.bias)


def _set_biases(layers: Iterable[_WeightLayer], ones: Collection[str] = ()) -> None:
    for layer in layers:
        if layer.bias is not None:
            nn.init.constant_(layer.bias, 1.0 if layer.name in ones else 0.0)
