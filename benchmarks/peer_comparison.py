"""Count one model with archbench and with other tools, and say which figure is right."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import reference_counter
import torch
from peer_differences import Difference, differences
from peer_isolation import quiet
from peer_products import Derivation, derivations, modules
from peer_tools import TOOLS, Answer, Call, answer, is_installed
from torch import Tensor, nn

import archbench
from archbench.analyze.layers import layer_table
from archbench.errors import first_line
from archbench.models.loaded import load_model
from archbench.trace.pytree import map_tensors


@dataclass(frozen=True)
class Comparison:
    """The counts of one model: archbench's MACs with their derivation, those of each tool, and why they differ.

    `reference_macs` are those of torch's FlopCounterMode with attention and recurrent layers as separate products and
    with the `corrections` that `reference_counter` derives; None if it failed, with `reference_error`.
    """

    model: str
    input: str
    macs: int
    time_s: float
    derivations: tuple[Derivation, ...]
    uncounted: dict[str, int]
    reference_macs: float | None
    reference_error: str
    corrections: dict[str, int]
    answers: tuple[Answer, ...]
    differences: dict[str, tuple[Difference, ...]]
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "archbench_version": version("archbench"), "verdict": self.verdict}

    @property
    def verdict(self) -> str:
        """Which figure is right, and why."""
        calls, kinds = sum(product.calls for product in self.derivations), len(self.derivations)
        if not self.derivations:
            return f"The model has no products. {self._reference()}"
        unproven = sum(product.calls for product in self.derivations if not product.factors)
        is_confirmed = self.reference_macs == self.macs or (self.reference_macs is None and not unproven)
        is_right = is_confirmed and not self.uncounted
        right = "is right" if is_right else "is archbench's figure"
        rules = f", {unproven} of them by archbench's own rules" if unproven else ""
        lacking = f"; it has no rule for {', '.join(self.uncounted)}" if self.uncounted else ""
        total = f"the sum of the {calls} product{'s' * (calls != 1)} below" + (
            f" ({kinds} different ones)" if kinds < calls else ""
        )
        return f"{self.macs:,} MACs {right}: {total}{rules}{lacking}. {self._reference()}"

    def _reference(self) -> str:
        added = f" and what it has no formula for added ({', '.join(self.corrections)})" if self.corrections else ""
        mode = f"torch's FlopCounterMode, with attention as separate products{added},"
        if self.reference_macs is None:
            return f"{mode} fails: {self.reference_error}."
        return f"{mode} counts {'the same' if self.reference_macs == self.macs else f'{self.reference_macs:,.0f}'}."


def compare(
    address: str, inputs: Sequence[str] = (), *, batch: int = 1, tools: Iterable[str] = tuple(TOOLS)
) -> Comparison:
    """Return the counts of the model at an address by archbench and by those of `tools` that are installed.

    Raises ArchbenchError for an address or inputs that archbench does not take.
    """
    loaded = load_model(address, list(inputs) or None)
    start = time.perf_counter()
    trace = loaded.trace(batch)
    table, time_s = layer_table(trace), time.perf_counter() - start
    called = modules(trace)
    names = list(tools)
    model, given = archbench.load(address), map_tensors(loaded.inputs(batch), _on_data)
    # Tools leave traces on a model: each has a copy.
    answers = tuple(
        answer(name, Call(copy.deepcopy(model), *_arguments(given))) for name in names if is_installed(name)
    )
    macs, error, corrections = _by_reference(model, given)
    return Comparison(
        model=address,
        input=", ".join("×".join(map(str, info.shape)) for info in trace.inputs),
        macs=table.totals.macs,
        time_s=time_s,
        derivations=tuple(derivations(trace)),
        uncounted=table.uncounted,
        reference_macs=macs,
        reference_error=error,
        corrections=corrections,
        answers=answers,
        differences={
            item.tool: tuple(differences(item.figures, called, trace.batch)) for item in answers if item.figures
        },
        missing=tuple(name for name in names if not is_installed(name)),
    )


def _by_reference(model: nn.Module, inputs: Any) -> tuple[float | None, str, dict[str, int]]:
    """Return the MACs of torch's own counter with corrections, or the error that it raises, and the corrections."""
    try:
        with quiet():
            counted = reference_counter.count(model, inputs, "eval")
    except Exception as error:  # any failure of the reference is a result
        return None, first_line(error), {}
    return counted.corrected, "", dict(counted.corrections)


def _arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return positional and keyword arguments of forward."""
    if isinstance(inputs, dict):
        return (), inputs
    return (inputs if isinstance(inputs, tuple) else (inputs,)), {}


def _on_data(tensor: Tensor) -> Tensor:
    """Return a tensor with values: random, or ones for integers, of one that has none."""
    if not tensor.is_meta:
        return tensor
    make = torch.rand if tensor.is_floating_point() else torch.ones
    return make(tensor.shape, dtype=tensor.dtype)
