"""When each piece of memory was made and freed, and which of them are weights.

Tensors come and go as views of storages; what occupies memory is the storage. One is told from another by the address
of its C++ object while it is alive, and a weak reference says when that ends, so that an address may serve again.
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
    """A storage while it is watched."""

    kind: StorageKind | None
    size_bytes: int
    born: int
    died: int | None = None
    is_weight: bool = False
    was_read: bool = False


class StorageLog:
    """Watches the storages of the tensors that it is shown. `clock` tells the present step."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lives: list[_Life] = []
        self._alive: dict[int, tuple[int, Any]] = {}

    def see(
        self, tensor: Tensor, kind: StorageKind | None, *, is_weight: bool = False, since_start: bool = False
    ) -> int:
        """Return the number of a tensor's storage; one not seen before is of `kind` and born now, or `since_start`.

        With None it is known but not recorded: the original of a tensor that something else stands for.
        """
        storage = _storage(tensor)
        key = storage._cdata if storage is not None else id(tensor)
        found = self._alive.get(key)
        if found is None:
            number = len(self._lives)
            size_bytes = storage.nbytes() if storage is not None else 0
            self._lives.append(_Life(kind, size_bytes, 0 if since_start else self._clock()))
            # The reference must be kept, or its callback is never called.
            self._alive[key] = number, weakref.ref(storage or tensor, partial(self._end, key))
        else:
            number = found[0]
        if is_weight:
            self._lives[number].is_weight = True
        return number

    def _end(self, key: int, _: Any) -> None:
        number, _reference = self._alive.pop(key)
        self._lives[number].died = self._clock()

    def is_weight(self, number: int) -> bool:
        """Say whether a storage holds a parameter or buffer, or what was computed from those alone."""
        return self._lives[number].is_weight

    def set_weight(self, number: int, is_weight: bool) -> None:
        """Say that what is written into a storage makes it a weight, or data."""
        self._lives[number].is_weight = is_weight

    def was_made_in_run(self, number: int) -> bool:
        """Say whether an operator of this run made a storage."""
        return self._lives[number].kind == "activation"

    def is_foreign(self, number: int) -> bool:
        """Say whether a storage is none of the run's stand-ins and was not made in it either."""
        return self._lives[number].kind in ("buffer", None)

    def mark_read(self, number: int) -> None:
        """Say that an operator took a tensor in this storage."""
        self._lives[number].was_read = True

    def was_read(self, tensor: Tensor) -> bool:
        """Say whether an operator took a tensor in the storage of `tensor`."""
        storage = _storage(tensor)
        found = self._alive.get(storage._cdata if storage is not None else id(tensor))
        return found is not None and self._lives[found[0]].was_read

    def set_kind(self, tensor: Tensor, kind: StorageKind) -> None:
        """Say of what kind a tensor's storage has turned out to be."""
        self._lives[self.see(tensor, kind)].kind = kind

    def records(self) -> tuple[Storage, ...]:
        """Return the lives so far, in the order of birth."""
        return tuple(
            Storage(life.kind, life.size_bytes, life.born, life.died) for life in self._lives if life.kind is not None
        )


def _storage(tensor: Tensor) -> Any:
    """Return a tensor's storage, None for sparse and other opaque tensors, which have none."""
    try:
        return tensor.untyped_storage()
    except NotImplementedError:
        return None
