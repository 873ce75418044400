"""Count one model with archbench and with the reference, and judge the difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import reference_counter
import torch
from libraries.case import Case
from reference_counter import Reference
from torch import Tensor, nn

import archbench
from archbench.trace.pytree import map_tensors, tensors_in

# Samples: one in eval mode, as published figures are; two in training, where batch normalisation needs more than one.
BATCH = {"eval": 1, "train": 2}

EXACT = "exact"  # as torch counts
CORRECTED = "corrected"  # as torch counts, with the corrections
DIFFERS = "differs"
FAILED = "failed"  # torch runs it, archbench does not
ALONE = "no reference"  # archbench runs it, torch's counter does not
NOT_RUN = "not run"  # torch cannot build or run it


@dataclass
class Row:
    """The counts of a model; `eval_` and `train_` fields hold those of the two modes, in MACs of the whole batch."""

    library: str
    model: str
    input: str = ""
    params: int = 0
    data: str = ""
    uncounted: str = ""
    eval_status: str = ""
    eval_macs: int = 0
    eval_torch: int = 0
    eval_corrections: str = ""
    fvcore_extra: int = 0
    train_status: str = ""
    train_macs: int = 0
    train_torch: int = 0
    train_corrections: str = ""
    cause: str = ""

    def note(self, mode: str, **values: Any) -> None:
        """Set the fields of a mode."""
        for name, value in values.items():
            setattr(self, f"{mode}_{name}", value)

    @classmethod
    def from_record(cls, record: Mapping[str, str]) -> Row:
        """Return the row that a line of the CSV holds."""
        values: dict[str, Any] = {
            f.name: int(record[f.name]) if f.type == "int" else record[f.name] for f in fields(cls)
        }
        return cls(**values)


def measure(case: Case, earlier: Row | None = None) -> Row:
    """Count a model in its modes; of an `earlier` row the reference's counts are taken over."""
    row = Row(case.library, case.name)
    known = earlier if earlier is not None and not earlier.data else None
    try:
        model = _without_data(case)
        inputs = {mode: case.inputs_for(mode, BATCH[mode]) for mode in case.modes}
    except Exception as error:  # any failure is a result
        row.cause = _line(error)
        row.eval_status = row.train_status = NOT_RUN
        return row
    row.params = sum(parameter.numel() for parameter in model.parameters())
    for mode in case.modes:
        _measure_mode(case, model, inputs[mode], mode, row, known)
    return row


def _measure_mode(case: Case, model: nn.Module, inputs: Any, mode: str, row: Row, known: Row | None) -> None:
    row.input = row.input or ", ".join("x".join(map(str, tensor.shape[1:])) for tensor in tensors_in(inputs))
    summary, failure = _summary(model, inputs, mode)
    reference, reason = _known(known, mode) or _reference(model, inputs, mode)
    read_values = summary is not None and (reference is None or summary.real_data_reason)
    if read_values or (summary is None and reference is not None):
        # Counts may depend on values: both run on the same ones.
        row.data = row.data or (summary and summary.real_data_reason) or reason
        try:
            model, inputs = _with_values(case), _values(inputs)
        except Exception as error:  # any failure is a result
            reason = _line(error)
            if summary is None:
                reference = None  # counted without the mask that archbench was given
        else:
            summary, failure = _summary(model, inputs, mode)
            reference, reason = _reference(model, inputs, mode, on_data=True)
    row.note(mode, **_judged(summary, reference, row))
    if summary is None or reference is None:
        row.cause = row.cause or failure or reason


def _summary(model: nn.Module, inputs: Any, mode: str) -> tuple[Any, str]:
    """Return archbench's summary, or None and the error."""
    try:
        return archbench.summarize(model, inputs, mode=mode), ""  # type: ignore[arg-type]  # a mode
    except Exception as error:  # any failure is a result
        return None, _line(error)


def _known(row: Row | None, mode: str) -> tuple[Reference, str] | None:
    """Return the reference's count that a row holds, if it holds one."""
    if row is None or getattr(row, f"{mode}_status") not in (EXACT, CORRECTED, DIFFERS):
        return None
    parts = filter(None, getattr(row, f"{mode}_corrections").split("; "))
    corrections = Counter({reason: int(macs) for reason, macs in (part.rsplit(" ", 1) for part in parts)})
    return Reference(getattr(row, f"{mode}_torch"), corrections, row.fvcore_extra), ""


def _reference(model: nn.Module, inputs: Any, mode: str, on_data: bool = False) -> tuple[Reference | None, str]:
    """Return torch's count, or None and the error.

    Without data a mask that hides nothing is left out where the model would read it: the products are the same.
    """
    candidates = [inputs] if on_data else [_to_meta(inputs), _to_meta(_without_masks(inputs))]
    reason = ""
    for candidate in candidates:
        try:
            torch.manual_seed(0)
            return reference_counter.count(model, candidate, mode), ""
        except Exception as error:  # any failure is a result
            reason = reason or _line(error)
    return None, reason


def _judged(summary: Any, reference: Reference | None, row: Row) -> dict[str, Any]:
    """Return the fields of a mode."""
    values: dict[str, Any] = {}
    if summary is not None:
        totals = summary.totals
        values["macs"] = totals.macs if summary.mode == "eval" else totals.training_macs
        row.uncounted = "; ".join(sorted({*filter(None, row.uncounted.split("; ")), *summary.uncounted}))
        if totals.params != row.params:
            row.cause = f"{totals.params} parameters, not {row.params}"
    if reference is not None:
        values["torch"] = int(reference.macs)
        row.fvcore_extra = row.fvcore_extra or reference.fvcore_extra
        values["corrections"] = "; ".join(
            f"{reason} {macs:+}" for reason, macs in reference.corrections.items() if macs
        )
    return values | {"status": _status(values, reference)}


def _status(values: dict[str, Any], reference: Reference | None) -> str:
    if "macs" not in values:
        return NOT_RUN if reference is None else FAILED
    if reference is None:
        return ALONE
    if values["macs"] != reference.corrected:
        return DIFFERS
    return CORRECTED if values["corrections"] else EXACT


def _without_data(case: Case) -> nn.Module:
    """Return the model without data; builders that compute with values build it first."""
    try:
        with torch.device("meta"):
            return case.build()
    except Exception:  # whatever a builder does with values
        model = _with_values(case)
    try:
        return model.to("meta")
    except Exception:  # quantized weights, for example
        return model


def _with_values(case: Case) -> nn.Module:
    torch.manual_seed(0)
    return case.build()


def _values(inputs: Any) -> Any:
    torch.manual_seed(1)
    return map_tensors(inputs, lambda x: torch.randn(x.shape, dtype=x.dtype) if x.is_meta else x)


def _to_meta(inputs: Any) -> Any:
    return map_tensors(inputs, lambda tensor: tensor.to("meta"))


def _without_masks(inputs: Any) -> Any:
    if not isinstance(inputs, dict):
        return inputs
    return {
        name: value
        for name, value in inputs.items()
        if not (name.endswith("mask") and isinstance(value, Tensor) and bool(value.all()))
    }


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:160]
