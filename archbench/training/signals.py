"""SIGINT and SIGTERM during training: the step is finished and saved first; a second signal ends it at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Records the first signal while its block runs; at the end of the block the signal has its usual effect.

    Ignored signals stay ignored. Outside the main thread, where Python does not handle signals, it does nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._usual: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._usual = {number: signal.signal(number, self._record) for number in handled}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._restore()
        if self.signal is not None and kind is None:
            signal.raise_signal(self.signal)

    @property
    def is_requested(self) -> bool:
        """Whether training is to stop after this step."""
        return self.signal is not None

    def _record(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._usual.items():
            signal.signal(number, handler)
