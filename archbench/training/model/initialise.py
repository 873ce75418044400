"""Initialise the weights of any module by a named scheme.

Builders with an `init` argument, such as the zoo's, initialise their models themselves; this is for all others. The
zoo's `kaiming` and `xavier` draw the same weights for the same seed. Only convolutions and linear layers are drawn:
normalisation layers keep weight 1 and bias 0, and all other layers what their constructors drew.
"""

from __future__ import annotations

from torch import nn

from archbench.errors import UsageError

SCHEMES = ("kaiming", "torch", "xavier")
_WEIGHT_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def require_scheme(scheme: str, address: str) -> None:
    """Raise UsageError unless `initialise` has the scheme."""
    if scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise UsageError(f"{address} has no initialisation '{scheme}'; for any model there are {known}")


def initialise(model: nn.Module, scheme: str, head: nn.Module) -> None:
    """Draw the weights of `model` in place from torch's generator, and set their biases to 0.

    `kaiming` is He et al. 2015 (normal, by fan-in), with N(0, 0.01²) for `head`, the last layer, if it is linear;
    `xavier` is Glorot and Bengio 2010 (uniform, by fan-in and fan-out); `torch` keeps what the constructors drew.
    Fans are numbers of connections (Glorot and Bengio 2010, section 4.2.1): an input of a grouped convolution is
    connected to the filters of its own group only.
    """
    assert scheme in SCHEMES, "see require_scheme"
    if scheme == "torch":
        return
    for layer in model.modules():
        if not isinstance(layer, _WEIGHT_LAYERS):
            continue
        if scheme == "xavier":
            # Each group on its own: of the whole weight, torch.nn.init counts the filters of all groups as fan-out.
            for weight in layer.weight.detach().chunk(getattr(layer, "groups", 1)):
                nn.init.xavier_uniform_(weight)
        elif layer is head and isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
        else:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
