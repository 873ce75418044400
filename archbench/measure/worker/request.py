"""What a worker process is asked to measure, and how the request travels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

# What a worker is asked for: a measurement, a block whenever it is asked, the phases of a training step, or the memory
# that three steps take.
Task = Literal["measure", "serve", "phases", "memory"]

_SETTINGS = ("kind", "mode", "batch", "dtype", "layout", "compiled", "graphs")


@dataclass(frozen=True, slots=True)
class Request:
    """One configuration as it was asked for. `inputs` are as on the command line, empty for the model's usual ones.

    It is one of `processes` that measure the configuration one after the other, and measures for `seconds` at most.
    """

    model: str
    inputs: tuple[str, ...]
    kind: str
    mode: str
    batch: int
    dtype: str
    layout: str
    compiled: bool
    graphs: bool
    threads: int
    processes: int
    seconds: float
    seed: int = 0
    task: Task = "measure"

    def to_json(self) -> str:
        """Return the request as one line."""
        return json.dumps(asdict(self))

    def settings(self) -> dict[str, Any]:
        """Return what the configuration that is kept has in common with the request, by field."""
        return {name: getattr(self, name) for name in _SETTINGS}


def from_json(text: str) -> Request:
    """Return the request that `to_json` wrote."""
    values = json.loads(text)
    return Request(**{**values, "inputs": tuple(values["inputs"])})
