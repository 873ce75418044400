"""An earlier summary that a model is held to: the JSON that `archbench summary` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archbench.analyze.budget import Limit, baseline_limits
from archbench.errors import InputError


@dataclass(frozen=True, slots=True)
class Baseline:
    """The totals of an earlier summary, and on what inputs and in which mode they came about."""

    path: Path
    totals: dict[str, int]
    inputs: Any
    mode: Any

    def limits(self, document: dict[str, Any]) -> list[Limit]:
        """Return a limit for each total of `document` that the baseline has.

        Raises InputError if that was made on other inputs or in another mode: its numbers would say nothing.
        """
        for what, then, now in (("inputs", self.inputs, document["inputs"]), ("mode", self.mode, document["mode"])):
            if then != now:
                raise InputError(f"'{self.path}' was made with {what} {then}, this is {now}")
        return baseline_limits(self.totals, document["totals"], str(self.path))


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
    return Baseline(path, totals, document.get("inputs"), document.get("mode"))
