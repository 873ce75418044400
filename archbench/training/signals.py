"""SIGINT and SIGTERM while training: the step is finished and saved first; a second signal leaves at once."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Takes note of the first signal while its block runs; at the end of the block the signal has its usual effect.

    A signal that is ignored stays so.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._usual: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._usual = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._restore()
        if self.signal is not None and kind is None:
            signal.raise_signal(self.signal)

    @property
    def is_asked_for(self) -> bool:
        """Whether training is to end after this step."""
        return self.signal is not None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._usual.items():
            signal.signal(number, handler)
