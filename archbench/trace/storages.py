"""Record when each storage was allocated and freed, and which storages hold weights.

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
    died: int | None = None
    is_weight: bool = False
    was_read: bool = False


class StorageLog:
    """Records the storages of the tensors passed to `see`. `clock` returns the current step."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lives: list[_Life] = []
        self._alive: dict[int, tuple[int, Any]] = {}

    def see(
        self, tensor: Tensor, kind: StorageKind | None, *, is_weight: bool = False, since_start: bool = False
    ) -> int:
        """Return the number of a tensor's storage; a new one is recorded as `kind`, born now or with the run.

        With `kind` None it gets a number but no record: the original of a tensor that a stand-in replaces.
        """
        storage = _storage(tensor)
        key = storage._cdata if storage is not None else id(tensor)
        entry = self._alive.get(key)
        if entry is None:
            number = len(self._lives)
            size_bytes = storage.nbytes() if storage is not None else 0
            self._lives.append(_Life(kind, size_bytes, 0 if since_start else self._clock()))
            # Keep the reference: otherwise its callback is never called.
            self._alive[key] = number, weakref.ref(storage or tensor, partial(self._end, key))
        else:
            number = entry[0]
        if is_weight:
            self._lives[number].is_weight = True
        return number

    def _end(self, key: int, _: Any) -> None:
        number, _reference = self._alive.pop(key)
        self._lives[number].died = self._clock()

    def is_weight(self, number: int) -> bool:
        """Return whether a storage holds a parameter, a buffer, or a tensor computed from those alone."""
        return self._lives[number].is_weight

    def set_weight(self, number: int, is_weight: bool) -> None:
        """Set whether a storage holds a weight or data, after an operator wrote to it."""
        self._lives[number].is_weight = is_weight

    def was_made_in_run(self, number: int) -> bool:
        """Return whether an operator of this run allocated a storage."""
        return self._lives[number].kind == "activation"

    def is_external(self, number: int) -> bool:
        """Return whether a storage was neither allocated in the run nor belongs to a stand-in."""
        return self._lives[number].kind in ("buffer", None)

    def mark_read(self, number: int) -> None:
        """Record that an operator read a tensor in this storage."""
        self._lives[number].was_read = True

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
