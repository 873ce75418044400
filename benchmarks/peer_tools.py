"""Count a model with other tools: the total that each prints, its unit, and its figure for each module.

Each tool counts one forward pass of a model on real memory, in eval mode, called as its documentation does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
from peer_isolation import quiet, untouched_torch
from torch import Tensor, nn

from archbench.errors import first_line


@dataclass(frozen=True)
class Call:
    """A model with the arguments of its forward."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self) -> Any:
        """Run the model."""
        return self.model(*self.args, **self.kwargs)


@dataclass(frozen=True)
class Figures:
    """What a tool counts.

    `raw` is the total that it prints, in `unit`; `macs` is the same in multiply-accumulates of the whole batch.
    `own` are the MACs that it attributes to each module without its submodules, by path, `.` for the root; `elsewhere`
    those that belong to no module. `unsupported` are the operators that it reports as not counted, with their calls.
    """

    raw: float
    unit: str
    macs: float
    own: Mapping[str, float] = field(default_factory=dict)
    elsewhere: float = 0
    unsupported: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A tool's figures, or the error that it raised; `time_s` is one call, for information."""

    tool: str
    version: str
    figures: Figures | None
    error: str
    time_s: float


def by_torch(call: Call) -> Figures:
    """Count with torch.utils.flop_counter, without gradients: two FLOPs per multiply-accumulate."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    root = type(call.model).__name__
    nested = {
        "." if name in (root, "Global") else name.removeprefix(f"{root}."): sum(counts.values()) / 2
        for name, counts in counter.get_flop_counts().items()
        if name != "Global" or root not in counter.get_flop_counts()
    }
    raw = counter.get_total_flops()
    return Figures(raw, "FLOPs", raw / 2, without_submodules(nested))


def by_fvcore(call: Call) -> Figures:
    """Count with fvcore: one "flop" per multiply-accumulate, plus rules for normalisation and pooling."""
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(call.model, _positional(call)).unsupported_ops_warnings(False)
    raw = float(analysis.total())
    nested = {name or ".": float(macs) for name, macs in analysis.by_module().items()}
    return Figures(
        raw, "flops", raw, without_submodules(nested), unsupported=dict(analysis.unsupported_ops().most_common())
    )


def by_torchinfo(call: Call) -> Figures:
    """Count with torchinfo's mult-adds."""
    from torchinfo import summary

    result = summary(call.model, input_data=call.kwargs or [*call.args], verbose=0)
    paths, own = _paths(call.model), Counter[str]()
    for layer in result.summary_list:
        if layer.is_leaf_layer:
            own[paths[layer.module]] += layer.macs
    return Figures(result.total_mult_adds, "mult-adds", result.total_mult_adds, dict(own))


def by_ptflops(call: Call) -> Figures:
    """Count with ptflops and its default backend, which divides the MACs of modules by the batch."""
    from ptflops import get_model_complexity_info

    root, own, batch = _Root(call), dict[str, float](), _batch(call)

    def read(*_: object) -> None:
        own.update(_counted_by_ptflops(".", call.model))

    root.register_forward_hook(read)
    raw, _ = get_model_complexity_info(
        root, (1,), input_constructor=lambda _: _tensor(call), as_strings=False, print_per_layer_stat=False
    )
    if raw is None:
        raise RuntimeError("no result")
    modules = sum(own.values())
    elsewhere = round(float(raw) - modules / batch)
    return Figures(float(raw), "MACs" if batch == 1 else "MACs/sample", modules + elsewhere, own, elsewhere)


def by_thop(call: Call) -> Figures:
    """Count with thop."""
    from thop import profile

    raw, _, layers = profile(call.model, inputs=_positional(call), verbose=False, ret_layer_info=True)
    nested = {".": float(raw)}

    def note(prefix: str, layers: dict[str, Any]) -> None:
        for name, (macs, _, below) in layers.items():
            nested[prefix + name] = float(macs)
            note(f"{prefix}{name}.", below)

    note("", layers)
    return Figures(float(raw), "MACs", float(raw), without_submodules(nested))


def by_calflops(call: Call) -> Figures:
    """Count with calflops' MACs, which it prints beside FLOPs."""
    from calflops import calculate_flops

    root, own = _Root(call), dict[str, float]()

    def read(*_: object) -> None:
        own.update({path: float(getattr(module, "__macs__", 0)) for module, path in _paths(call.model).items()})

    root.register_forward_hook(read)
    _, raw, _ = calculate_flops(root, args=[_tensor(call)], print_results=False, output_as_string=False)
    return Figures(float(raw), "MACs", float(raw), own)


TOOLS: dict[str, Callable[[Call], Figures]] = {
    "torch": by_torch,
    "fvcore": by_fvcore,
    "torchinfo": by_torchinfo,
    "ptflops": by_ptflops,
    "thop": by_thop,
    "calflops": by_calflops,
}


def is_installed(tool: str) -> bool:
    """Return whether a tool's package is there."""
    return find_spec(tool) is not None


def answer(tool: str, call: Call) -> Answer:
    """Return a tool's figures for a model, which it may change; an error that it raises is a result."""
    call.model.eval()
    start, figures, error = time.perf_counter(), None, ""
    try:
        with untouched_torch(), quiet():
            figures = TOOLS[tool](call)
    except Exception as raised:  # any failure of a tool is a result
        error = first_line(raised)
    return Answer(tool, version(tool), figures, error, time.perf_counter() - start)


def without_submodules(nested: Mapping[str, float]) -> dict[str, float]:
    """Return figures of modules without their submodules, from figures that include them."""
    own = dict(nested)
    for path, macs in nested.items():
        if path != ".":
            own[next(above for above in ancestors(path) if above in nested or above == ".")] -= macs
    return own


def ancestors(path: str) -> Iterator[str]:
    """Yield the paths above a module, from its parent to the root."""
    while "." in path.strip("."):
        path = path.rpartition(".")[0]
        yield path
    yield "."


class _Root(nn.Module):
    """A module around the model, whose hook runs when the counts of all modules are complete."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.model = call.model
        self.call = call

    def forward(self, *_: Any) -> Any:
        return self.call()


def _counted_by_ptflops(path: str, module: nn.Module) -> Iterator[tuple[str, float]]:
    """Yield the figures that ptflops sums: a module that it has a rule for hides its submodules."""
    if hasattr(module, "__flops__"):
        yield path, float(getattr(module, "__flops__"))  # noqa: B009  # an attribute that ptflops adds
        return
    for name, child in module.named_children():
        yield from _counted_by_ptflops(name if path == "." else f"{path}.{name}", child)


def _paths(model: nn.Module) -> dict[nn.Module, str]:
    return {module: name or "." for name, module in model.named_modules()}


def _positional(call: Call) -> tuple[Any, ...]:
    if call.kwargs:
        raise ValueError("takes positional inputs only")
    return call.args


def _tensor(call: Call) -> Tensor:
    tensors = [value for value in (*call.args, *call.kwargs.values()) if isinstance(value, Tensor)]
    return tensors[0] if tensors else torch.zeros(1)


def _batch(call: Call) -> int:
    return max(len(_tensor(call)), 1)
