"""The protocol of a worker process: one JSON object a line on its standard output.

Events are `phase` with `text` for progress, `environment` and `answer` with results that stand even if the process then
fails, and one last event: `done` with further results, `oom` with `needed_bytes` and `free_bytes`, or `failed` with
`reason` and, where the configuration itself was refused, `refusal`. A worker that serves blocks reports `ready`, then a
`block` per line of its standard input.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import IO, Any, Literal

# A new interpreter, or a fork of a process that has imported torch.
Start = Literal["cold", "warm"]


class Channel:
    """A worker's end: sends events and reads the client's lines; `start` is how the worker was started."""

    def __init__(self, output: IO[str], lines: Iterator[str], start: Start = "cold") -> None:
        self._output = output
        self.lines = lines
        self.start = start

    def send(self, event: str, **values: Any) -> None:
        """Send one event."""
        print(json.dumps({"event": event, **values}), file=self._output, flush=True)


def open_channel(start: Start = "cold") -> Channel:
    """Return a channel on the standard streams; from then on, what the process prints goes to standard error."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return Channel(output, sys.stdin, start)


def parse_event(line: str) -> dict[str, Any]:
    """Return an event; an empty one for a line that was cut off when the process was killed."""
    try:
        event: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return event
