"""The request that a worker process carries out, and its JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from archbench.store.records import Configuration

# measure: warm up and time; serve: run a block per line of input; phases: time the phases of a training step;
# memory: run three steps and report their memory; profile: attribute a step's time to layers.
Task = Literal["measure", "serve", "phases", "memory", "profile"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a configuration is measured.

    `max_seconds` limits the time of all its processes together, excluding warm-up. `phases` also times the phases of
    training steps, in one more process. `cold` does not accept stored results of workers that were forked.
    """

    max_seconds: float = 60.0
    processes: int = 1
    phases: bool = False
    cold: bool = False

    @property
    def process_seconds(self) -> float:
        """The time limit of one process."""
        return self.max_seconds / self.processes


@dataclass(frozen=True, slots=True)
class Request:
    """A task for one worker process. `seed` is the process's number and seeds torch; `arguments` are the task's own."""

    task: Task
    configuration: Configuration
    options: RunOptions = RunOptions()
    seed: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_fork(self) -> bool:
        """Whether a fork does what a new interpreter does: CUDA and torch.compile need an interpreter of their own."""
        return self.configuration.kind == "cpu" and not self.configuration.compiled

    def to_json(self) -> str:
        """Return the request as one line of JSON."""
        return json.dumps(asdict(self))


def request_from_json(text: str) -> Request:
    """Return the request that `Request.to_json` wrote."""
    values = json.loads(text)
    records = {"configuration": Configuration(**values["configuration"]), "options": RunOptions(**values["options"])}
    return Request(**{**values, **records})
