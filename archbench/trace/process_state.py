"""Settings of the process that a run changes: set by the first of the runs in all threads, restored by the last."""

from __future__ import annotations

import gc
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import torch


class SharedContext:
    """A context that threads share: the first to enter it enters `make()`, the last to leave it leaves that."""

    def __init__(self, make: Callable[[], AbstractContextManager[None]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._entered = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Be in the context."""
        with self._lock:
            if self._entered == 0:
                self._stack.enter_context(self._make())
            self._entered += 1
        try:
            yield
        finally:
            with self._lock:
                self._entered -= 1
                if self._entered == 0:
                    self._stack.close()


@contextmanager
def _restored() -> Iterator[None]:
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(torch.set_rng_state, torch.get_rng_state())
        numpy_random = sys.modules.get("numpy.random")  # importing it here would cost start-up
        if numpy_random is not None:
            stack.callback(numpy_random.set_state, numpy_random.get_state())
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # not typed by torch
            stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        stack.callback(_restore_settings, torch.get_num_threads(), _determinism())
        # Tracking takes a frame of its own for each module: what can be called without it can be counted.
        stack.callback(sys.setrecursionlimit, sys.getrecursionlimit())
        sys.setrecursionlimit(2 * sys.getrecursionlimit())
        yield


def seed() -> None:
    """Set the random states that `restored_process` restores to those of seed 0."""
    random.seed(0)
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # as above; otherwise a seed would be left for later
        torch.cuda.manual_seed_all(0)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(0)


def _determinism() -> tuple[bool, bool]:
    """Return whether torch uses deterministic algorithms, and only warns where there are none."""
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _restore_settings(num_threads: int, determinism: tuple[bool, bool]) -> None:
    """Restore settings that are not free to set, if they changed."""
    if torch.get_num_threads() != num_threads:
        torch.set_num_threads(num_threads)
    if _determinism() != determinism:
        torch.use_deterministic_algorithms(determinism[0], warn_only=determinism[1])


@contextmanager
def _plain() -> Iterator[None]:
    with ExitStack() as stack:
        for backend in (torch.backends.mkldnn, torch.backends.cudnn):
            stack.callback(setattr, backend, "enabled", backend.enabled)
            setattr(backend, "enabled", False)  # noqa: B010  # torch types it as read-only
        yield


@contextmanager
def _no_collection() -> Iterator[None]:
    with ExitStack() as stack:
        if gc.isenabled():
            stack.callback(gc.enable)
            gc.disable()
        yield


# Pauses garbage collection. The thousands of records of a run make no garbage, but start a full collection every few
# runs, which takes longer than a run.
no_collection = SharedContext(_no_collection)

# Restores random states and settings of torch, and allows twice the depth of calls.
restored_process = SharedContext(_restored)

# Disables the libraries whose kernels join several operators, so that layers decompose on real data as on meta.
plain_kernels = SharedContext(_plain)


@contextmanager
def no_fake_mode() -> Iterator[None]:
    """Leave torch's FakeTensorMode for this thread, if it is active: its tensors have no kernels of their own."""
    key = torch._C._TorchDispatchModeKey.FAKE
    mode = torch._C._unset_dispatch_mode(key)
    try:
        yield
    finally:
        if mode is not None:
            torch._C._set_dispatch_mode(mode)
