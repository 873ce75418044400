"""A module from an address."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from archbench.errors import AddressError
from archbench.models.address import find
from archbench.models.loaded import remember
from archbench.precision import find_precision


def load(address: str, *, dtype: str = "fp32", **arguments: Any) -> nn.Module:
    """Return the module at an address, built with real, newly initialised weights.

    Args:
        address: `"vgg16"`, `"vgg16@10"`, `"torchvision:resnet50"`, `"net.py:Net"`, ...; see `archbench.list_models`.
        dtype: The dtype of the parameters: `"fp32"`, `"bf16"` or `"fp16"`.
        **arguments: Keyword arguments of the builder, beside those in the address.

    Functions of archbench know the usual input of a module that was loaded this way. Nothing is downloaded.
    Raises AddressError if the address names no model or its builder fails, TypeError if it is not text.
    """
    if not isinstance(address, str):
        raise TypeError(f"archbench.load takes an address such as 'vgg16', not {address!r:.80}")
    source = find(address)
    source = replace(source, arguments={**source.arguments, **arguments})
    try:
        model = source.build_with_data()
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise source.failure(error) from error
    if not isinstance(model, nn.Module):
        raise AddressError(f"{address} gives a {type(model).__name__}, not a torch.nn.Module")
    model = model.to(find_precision(dtype).model_dtype)
    remember(model, source)
    return model
