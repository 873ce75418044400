"""Weight initialisation by name. Every scheme is `f(model)`, changes the model in place, and skips meta tensors.

Normalisation layers keep torch's weight 1 and bias 0 under every scheme.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from torch import nn

Scheme = Callable[[nn.Module], None]


def initialise(model: nn.Module, scheme: str, paper: Scheme) -> nn.Module:
    """Initialise `model` by `scheme` and return it: `paper`, or one of `SCHEMES`.

    Raises ValueError for another name.
    """
    schemes = {"paper": paper, **SCHEMES}
    if scheme not in schemes:
        raise ValueError(f"init is one of {', '.join(sorted(schemes))}, not {scheme!r}")
    if not any(parameter.is_meta for parameter in model.parameters()):
        schemes[scheme](model)
    return model


def kaiming(model: nn.Module) -> None:
    """He et al. 2015 (fan-in, normal) on convolutions and hidden linear layers; N(0, 0.01) on the last; biases 0."""
    layers = list(_weight_layers(model))
    for _, layer in layers[:-1]:
        nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
    for _, layer in layers[-1:]:
        nn.init.normal_(layer.weight, std=0.01)
    _zero_biases(model)


def xavier(model: nn.Module) -> None:
    """Glorot and Bengio 2010 (uniform) on convolutions and linear layers; biases 0."""
    for _, layer in _weight_layers(model):
        nn.init.xavier_uniform_(layer.weight)
    _zero_biases(model)


def gaussian(*, bias_one: Collection[str] = ()) -> Scheme:
    """Return the scheme of Krizhevsky et al. 2012: N(0, 0.01), bias 1 in the layers named, 0 in the others."""

    def scheme(model: nn.Module) -> None:
        for name, layer in _weight_layers(model):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 1.0 if name in bias_one else 0.0)

    return scheme


def fan_in_uniform(model: nn.Module) -> None:
    """LeCun et al. 1998: every weight and bias uniform within ±2.4 / fan-in."""
    for _, layer in _weight_layers(model):
        bound = 2.4 / layer.weight[0].numel()
        nn.init.uniform_(layer.weight, -bound, bound)
        if layer.bias is not None:
            nn.init.uniform_(layer.bias, -bound, bound)


def torch_default(model: nn.Module) -> None:
    """Leave what torch's constructors drew: uniform within ±1/sqrt(fan-in)."""


SCHEMES: dict[str, Scheme] = {"kaiming": kaiming, "torch": torch_default, "xavier": xavier}


def _weight_layers(model: nn.Module) -> Iterator[tuple[str, nn.Conv2d | nn.Linear]]:
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            yield name, module


def _zero_biases(model: nn.Module) -> None:
    for _, layer in _weight_layers(model):
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
