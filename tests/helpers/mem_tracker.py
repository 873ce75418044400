"""torch's own memory tracker, the second opinion on peaks: it follows FakeTensors through real code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch._subclasses import FakeTensorMode

from archbench.models.address import Source


def momentum(parameters: Iterable[torch.Tensor]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, foreach=True)


def tracked_peak(
    source: Source,
    batch: int,
    mode: str,
    *,
    optimizer: Callable[..., torch.optim.Optimizer] = momentum,
    autocast_dtype: torch.dtype | None = None,
    device: str = "cpu",
) -> int:
    """Return the peak in bytes that the tracker sees, of the second of two steps in training.

    On the device `cuda` every tensor counts in blocks of 512 bytes; backward needs a GPU there.
    """
    from torch.distributed._tools.mem_tracker import MemTracker  # takes as long to import as torch

    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device(device):
            model = source.builder(**source.arguments).train(mode == "train")
        image = torch.empty(batch, *(source.input_shape or ()), device=device)
        tracker = MemTracker()
        if mode == "eval":
            tracker.track_external(model, image)
            with tracker, torch.no_grad(), _autocast(device, autocast_dtype):
                model(image)
        else:
            update = optimizer(model.parameters())
            tracker.track_external(model, update, image)
            for step in range(2):
                with tracker:
                    with _autocast(device, autocast_dtype):
                        outputs = model(image)
                    loss = outputs.sum()
                    del outputs
                    loss.backward()
                    update.step()
                    update.zero_grad()
                if step == 0:
                    tracker.reset_mod_stats()
        snapshot = tracker.get_tracker_snapshot("peak")
        return next(sizes["Total"] for place, sizes in snapshot.items() if place.type == device)


@contextmanager
def _autocast(device: str, dtype: torch.dtype | None) -> Iterator[None]:
    """torch.autocast refuses a device that is not there; what it does can be done all the same."""
    if dtype is None:
        yield
        return
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, dtype)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled(device, False)
