"""Record when each storage was allocated and freed, and what it holds: weights, generated values, or data.

Tensors are views of storages, which occupy the memory. A storage is identified by the address of its C++ object while
it is alive; a weak reference reports when it is freed, since the address may then be used again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from archbench.trace.records import Storage, StorageKind


@dataclass(slots=True)
class _Life:
    """The lifetime of a storage so far."""

    kind: StorageKind | None
    size_bytes: int
    born: int
    is_own: bool
    died: int | None = None
    is_weight: bool = False
    was_read: bool = False
    owners: tuple[int, ...] = ()
    is_generated: bool = False
    writer: int = 0
    buffer: int | None = None


class StorageLog:
    """Records the storages of the tensors passed to `see`. `clock` returns the current step.

    `readers` has the step of each operator that generated values, computed from neither data nor weights, and that of
    the first operator which read them, None until then.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lives: list[_Life] = []
        self._alive: dict[int, tuple[int, Any]] = {}
        self.readers: dict[int, int | None] = {}

    def see(
        self,
        tensor: Tensor,
        kind: StorageKind | None,
        *,
        is_weight: bool = False,
        since_start: bool = False,
        is_own: bool = False,
    ) -> int:
        """Return the number of a tensor's storage; a new one is recorded as `kind`, born now or with the run.

        With `kind` None it gets a number but no record: the original of a tensor that a stand-in replaces.
        `is_own` states that the run made the tensor before the first operator: a stand-in.
        """
        storage = _storage(tensor)
        key = storage._cdata if storage is not None else id(tensor)
        entry = self._alive.get(key)
        if entry is None:
            number = len(self._lives)
            size_bytes = storage.nbytes() if storage is not None else 0
            is_own = is_own or kind == "activation"
            self._lives.append(_Life(kind, size_bytes, 0 if since_start else self._clock(), is_own))
            # Keep the reference: otherwise its callback is never called.
            self._alive[key] = number, weakref.ref(storage or tensor, partial(self._end, key))
        else:
            number = entry[0]
        if is_weight:
            self._lives[number].is_weight = True
            self._lives[number].buffer = number if kind == "buffer" else None
        return number

    def _end(self, key: int, _: Any) -> None:
        number, _reference = self._alive.pop(key)
        self._lives[number].died = self._clock()

    def add_owner(self, tensor: Tensor, owner: int) -> None:
        """Record that a layer owns a parameter."""
        life = self._lives[self.see(tensor, None)]
        life.owners = (*life.owners, owner)

    def owners(self, number: int) -> tuple[int, ...]:
        """Return the layers that own the parameter in a storage, or every parameter that it was computed from."""
        return self._lives[number].owners

    def buffer(self, number: int) -> int | None:
        """Return the number of a buffer, or of the first of the buffers that a tensor was computed from alone."""
        return self._lives[number].buffer

    def is_generated(self, number: int) -> bool:
        """Return whether a storage holds values that depend on neither data nor weights."""
        return self._lives[number].is_generated

    def read(self, numbers: list[int], step: int) -> tuple[int, ...]:
        """Record that an operator reads these storages, at `step`, or 0 for a view.

        Return for each its number plus 1 if it holds a weight (a parameter, a buffer, or a tensor computed from those
        alone), otherwise 0.
        """
        weights = []
        for number in numbers:
            life = self._lives[number]
            life.was_read = True
            if step and life.writer:
                self.readers[life.writer] = self.readers[life.writer] or step
                life.writer = 0
            weights.append(number + 1 if life.is_weight else 0)
        return tuple(weights)

    def write(self, number: int, step: int, weights: list[int], *, is_generated: bool) -> None:
        """Record that an operator wrote to a storage; `weights` are its inputs if they are weights alone."""
        life = self._lives[number]
        life.is_weight = bool(weights)
        life.is_generated = is_generated
        life.writer = step if is_generated else 0
        buffers = [self._lives[weight].buffer for weight in weights]
        life.buffer = None if None in buffers or not buffers else buffers[0]
        if weights and not life.owners:
            owned = [owners for weight in weights if (owners := self._lives[weight].owners)]
            life.owners = tuple(owner for owner in owned[0] if all(owner in o for o in owned)) if owned else ()

    def mark(self, number: int, *, is_weight: bool, is_generated: bool) -> None:
        """Record what a view or an allocation holds."""
        life = self._lives[number]
        life.is_weight = life.is_weight or is_weight
        life.is_generated = life.is_generated or is_generated

    def is_own(self, number: int) -> bool:
        """Return whether this run allocated a storage, so that operators may write to it."""
        return self._lives[number].is_own

    def is_external(self, number: int) -> bool:
        """Return whether a storage was neither allocated in the run nor belongs to a stand-in."""
        return self._lives[number].kind in ("buffer", None)

    def was_read(self, tensor: Tensor) -> bool:
        """Return whether an operator read a tensor in the storage of `tensor`."""
        storage = _storage(tensor)
        entry = self._alive.get(storage._cdata if storage is not None else id(tensor))
        return entry is not None and self._lives[entry[0]].was_read

    def set_kind(self, tensor: Tensor, kind: StorageKind) -> None:
        """Change the kind of a tensor's storage."""
        self._lives[self.see(tensor, kind)].kind = kind

    def records(self) -> tuple[Storage, ...]:
        """Return the recorded storages in the order of allocation."""
        return tuple(
            Storage(life.kind, life.size_bytes, life.born, life.died) for life in self._lives if life.kind is not None
        )


def _storage(tensor: Tensor) -> Any:
    """Return a tensor's storage; None for sparse and other opaque tensors, which have none."""
    try:
        return tensor.untyped_storage()
    except NotImplementedError:
        return None
