"""The worker process: `python -m archbench.measure.worker` carries out one request from its standard input.

Every request gets a process of its own: within one process free memory shrinks from configuration to configuration, and
cuDNN then chooses slower convolutions.
"""

from __future__ import annotations

import gc

import torch

from archbench.errors import ArchbenchError, first_line
from archbench.measure.bench import tasks
from archbench.measure.bench.expectation import expect
from archbench.measure.worker.channel import Channel, Start, open_channel
from archbench.measure.worker.process import end_with_parent
from archbench.measure.worker.request import Request, request_from_json


def main(start: Start = "cold") -> None:
    """Carry out the request on standard input; `start` is how this process was started."""
    channel = open_channel(start)
    request = request_from_json(next(channel.lines))
    if request.task != "serve":  # which reads further lines and ends when they do
        end_with_parent()
    run(request, channel)


def run(request: Request, channel: Channel) -> None:
    """Carry out a request and send its result, or why there is none."""
    try:
        _run_task(request, channel)
    except torch.OutOfMemoryError:
        pass  # handled below, once the frames that hold the memory are gone
    except Exception as error:  # whatever a model, a compiler or a driver raises is the outcome of this configuration
        refusal = str(error) if isinstance(error, ArchbenchError) else ""
        channel.send("failed", reason=first_line(error), refusal=refusal)
        return
    else:
        return
    needed_bytes = expect(request.configuration).needed_bytes
    channel.send("oom", needed_bytes=needed_bytes, free_bytes=_free_bytes(request.configuration.kind))


def _run_task(request: Request, channel: Channel) -> None:
    match request.task:
        case "measure":
            tasks.measure(request, channel)
        case "serve":
            tasks.serve(request, channel)
        case "phases":
            tasks.phases(request, channel)
        case "memory":
            tasks.memory(request, channel)
        case "profile":
            from archbench.measure.profile.profiler import profile

            profile(request, channel)


def _free_bytes(kind: str) -> int | None:
    """Return the free memory of a GPU after torch has released its cache; None for other devices."""
    if kind != "cuda":
        return None
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]
