"""What a worker process is asked to do with the events of a profile, and how that travels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from archbench.measure.profile.attribution import Places


@dataclass(frozen=True, slots=True)
class Job:
    """Where time may go, and the file that the profiler's own trace is written to, if it is to be."""

    places: Places
    trace: str | None

    def to_json(self) -> str:
        """Return the job as one line."""
        return json.dumps({"trace": self.trace, **{name: sorted(found) for name, found in asdict(self.places).items()}})


def job_from_json(text: str) -> Job:
    """Return the job that `to_json` wrote."""
    values = json.loads(text)
    trace = values.pop("trace")
    return Job(Places(**{name: frozenset(found) for name, found in values.items()}), trace)
