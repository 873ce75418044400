"""An earlier summary that a model is held to: the JSON that `archbench summary` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archbench.analyze.limits import Limit, baseline_limits
from archbench.errors import InputError


@dataclass(frozen=True, slots=True)
class Baseline:
    """The totals of an earlier summary, and on what inputs, with which dtype and in which mode they came about."""

    path: Path
    totals: dict[str, int]
    conditions: dict[str, Any]

    def limits(self, document: dict[str, Any]) -> list[Limit]:
        """Return a limit for each total of `document` that the baseline has.

        Raises InputError if that was made under other conditions, where its numbers would say nothing, or has none.
        """
        for what, then in self.conditions.items():
            if then != document[what]:
                raise InputError(f"'{self.path}' was made with {what} {then}, this is {document[what]}")
        limits = baseline_limits(self.totals, document["totals"], str(self.path))
        if not limits:
            raise InputError(f"'{self.path}' has no total to compare with; --update writes it anew")
        return limits


def read_baseline(path: Path) -> Baseline:
    """Return the baseline in a file. Raises InputError if there is none or it is something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"there is no baseline '{path}'; --update writes it") from error
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
    except ValueError as error:
        raise InputError(
            f"'{path}' is not JSON; 'archbench summary MODEL --output {path}' writes a baseline"
        ) from error
    totals = document.get("totals") if isinstance(document, dict) else None
    if not isinstance(totals, dict) or not all(isinstance(value, int) for value in totals.values()):
        raise InputError(f"'{path}' is no summary; 'archbench summary MODEL --output {path}' writes one")
    return Baseline(path, totals, {what: document.get(what) for what in ("inputs", "dtype", "mode")})
