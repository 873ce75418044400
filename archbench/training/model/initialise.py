"""Weight initialisation by name, for any module.

A builder of the zoo initialises its models itself, by its paper's scheme too; this is for all others. Only
convolutions and linear layers are drawn: norms keep weight 1 and bias 0, all else stays as it was constructed.
"""

from __future__ import annotations

from torch import nn

from archbench.errors import UsageError

SCHEMES = ("kaiming", "torch", "xavier")
_WEIGHT_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def require_scheme(scheme: str, address: str) -> None:
    """Raise UsageError unless `initialise` knows the scheme."""
    if scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise UsageError(f"{address} brings no initialisation '{scheme}' of its own; for any model there are {known}")


def initialise(model: nn.Module, scheme: str, head: nn.Module) -> None:
    """Draw the weights of a model anew, in place, from torch's generator, and set their biases to 0.

    `kaiming` is He et al. 2015 (normal, by fan-in), with N(0, 0.01) for `head`, the last layer, if it is linear;
    `xavier` is Glorot and Bengio 2010 (uniform); `torch` leaves what the constructors drew.
    """
    assert scheme in SCHEMES, "see require_scheme"
    if scheme == "torch":
        return
    for layer in model.modules():
        if not isinstance(layer, _WEIGHT_LAYERS):
            continue
        if scheme == "xavier":
            nn.init.xavier_uniform_(layer.weight)
        elif layer is head and isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
        else:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
