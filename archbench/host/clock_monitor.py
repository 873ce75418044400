"""Clocks while measuring: the card is asked ten times a second, and what held it back is said; nothing is left out."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from archbench.host.nvml import Card, Reading

PERIOD_S = 0.1

# The driver's bits (nvml.h, nvmlClocksEventReasons), by what they come to. A hardware slowdown is a brake on power
# from outside, or one of the card's own; an idle card and a clock that somebody has set are no throttling.
_REASONS = {
    "thermal": 0x20 | 0x40,
    "power cap": 0x04,
    "hardware slowdown": 0x08 | 0x80,
}
_FIGURES = ("clock_hz", "power_w", "temperature_c")


class Sampler:
    """Asks a card again and again in a thread of its own, from entering to leaving a `with`; no card is not asked.

    `wait` waits until the next reading is due, or `True` says that it is over.
    """

    def __init__(self, card: Card | None, wait: Callable[[threading.Event], bool] | None = None) -> None:
        self.readings: list[Reading] = []
        self._card = card
        self._is_over = threading.Event()
        self._wait = wait or (lambda is_over: is_over.wait(PERIOD_S))
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Sampler:
        if self._card is not None:
            self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        if self._card is not None:
            self._thread.join()

    def _sample(self) -> None:
        assert self._card is not None, "the thread runs only where there is one"
        while True:
            self.readings.append(self._card.read())
            if self._wait(self._is_over):
                return


def clock_record(readings: Sequence[Reading]) -> dict[str, dict[str, float]]:
    """Return median, lowest and highest of clock, power and temperature; what was never told is left out."""
    record = {}
    for name in _FIGURES:
        told = [value for reading in readings if (value := getattr(reading, name)) is not None]
        if told:
            record[name] = {"median": statistics.median(told), "low": min(told), "high": max(told)}
    return record


def throttle_flags(readings: Sequence[Reading]) -> tuple[str, ...]:
    """Say what held the clock back, and in how many of the readings."""
    told = [reading.throttle_reasons for reading in readings if reading.throttle_reasons is not None]
    found = {name: sum(bool(reasons & bits) for reasons in told) for name, bits in _REASONS.items()}
    said = ", ".join(f"{name} in {count} of {len(told)} readings" for name, count in found.items() if count)
    return (f"throttled: {said}",) if said else ()
