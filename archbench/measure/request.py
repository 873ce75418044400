"""What a worker process is asked to measure, and how the request travels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One configuration as it was asked for. `inputs` are as on the command line, empty for the model's usual ones.

    It is one of `processes` that measure the configuration one after the other, and measures for `seconds` at most;
    one that `serves` runs a block whenever it is asked instead.
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
    serves: bool = False

    def to_json(self) -> str:
        """Return the request as one line."""
        return json.dumps(asdict(self))


def from_json(text: str) -> Request:
    """Return the request that `to_json` wrote."""
    values = json.loads(text)
    return Request(**{**values, "inputs": tuple(values["inputs"])})
