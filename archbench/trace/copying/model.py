"""Copy a model for one run, so that nothing is written to the user's.

The copy has the same tree of modules, with stand-ins for parameters and buffers and a copy of every other attribute.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from archbench.trace.copying.copier import ObjectCopier
from archbench.trace.stored_tensors import map_inner, nested_tensors

Wrapper = Callable[[nn.Module, Callable[..., Any]], Callable[..., Any]]


def copy_model(model: nn.Module, copier: ObjectCopier, stand_in: Callable[[Tensor], Tensor]) -> nn.Module:
    """Return a copy of a model whose parameters and buffers are `stand_in(tensor)`, also where they are held twice.

    One that modules share is replaced once. TorchScript modules are copied with their parameters as attributes.
    """
    originals: list[Tensor] = []

    def replaced(tensor: Tensor) -> Tensor:
        if copier.copied(tensor) is tensor:
            for original, made in zip(nested_tensors(tensor), nested_tensors(stand_in(tensor)), strict=True):
                copier.adopt(original, made)
            originals.append(tensor)
        return copier.copied(tensor)

    for module in submodules(model):
        if isinstance(module, torch.jit.ScriptModule):
            copier.adopt(module, _copy_script(module, replaced))
            continue
        for tensor in [*module._parameters.values(), *module._buffers.values()]:
            if tensor is not None:
                replaced(tensor)
    copied = copier.copy(model)
    for tensor in originals:
        if tensor.__dict__:
            copier.copied(tensor).__dict__.update(copier.copy(tensor.__dict__))
    return copied


def without_data(model: nn.Module) -> nn.Module:
    """Return a copy of a model whose parameters and buffers have no data; it shares other tensors with the model.

    Quantised tensors of torch's own, which cannot be without data, are shared too.
    """

    def empty(tensor: Tensor) -> Tensor:
        if tensor.is_quantized:
            return tensor
        made = map_inner(tensor, partial(torch.empty_like, device="meta"))
        return nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else made

    return copy_model(model, ObjectCopier(lambda tensor: tensor), empty)


def submodules(model: nn.Module) -> list[nn.Module]:
    """Return the modules of a model in the order of `model.modules()`; those inside TorchScript are left out."""
    seen: dict[int, nn.Module] = {}
    stack = [model]
    while stack:
        module = stack.pop()
        if id(module) in seen:
            continue
        seen[id(module)] = module
        if not isinstance(module, torch.jit.ScriptModule):
            stack.extend(child for child in reversed([*module._modules.values()]) if child is not None)
    return list(seen.values())


@contextmanager
def prepared(model: nn.Module, *, training: bool, wrap: Wrapper) -> Iterator[None]:
    """Set the training flags of a copy, and replace every `forward` by `wrap(module, forward)`."""
    modules = submodules(model)
    for module in modules:
        if isinstance(module, torch.jit.ScriptModule):
            script: Any
            for script in module.modules():
                if script._c.hasattr("training"):  # a frozen one has no flag
                    script.training = training
            continue
        _compile_nothing(module)
        module.__dict__["training"] = training
        module.__dict__["forward"] = wrap(module, module.forward)
    try:
        yield
    finally:
        for module in modules:
            # A cycle of references, which would keep the copy in memory for longer.
            module.__dict__.pop("forward", None)


def _compile_nothing(module: nn.Module) -> None:
    """Let a module that torch.compile wraps run as it is: compiling it would take a minute and add no operator."""
    module.__dict__["_compiled_call_impl"] = None
    original = module._modules.get("_orig_mod")
    if original is not None and type(module).__module__ == "torch._dynamo.eval_frame":
        module.__dict__["forward"] = original.__call__


def _copy_script(module: Any, stand_in: Callable[[Tensor], Tensor]) -> nn.Module:
    copied: nn.Module = torch.jit._recursive.wrap_cpp_module(_copy_script_object(module._c, stand_in))  # type: ignore[no-untyped-call]  # not typed by torch
    return copied


def _copy_script_object(original: Any, stand_in: Callable[[Tensor], Tensor]) -> Any:
    """Return a copy of TorchScript's own object: one that shares its attributes, in which the tensors are replaced."""
    copied = copy.copy(original)
    for name, child in torch._C.ModuleDict(original).items():
        copied.setattr(name, _copy_script_object(child, stand_in))
    registries: tuple[Any, ...] = torch._C.ParameterDict(original), torch._C.BufferDict(original)
    for tensors in registries:
        for name, tensor in tensors.items():
            copied.setattr(name, stand_in(tensor))
    return copied
