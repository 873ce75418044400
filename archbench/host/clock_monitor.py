"""Monitor a GPU's clock during a measurement, ten readings per second, and report throttling."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from archbench.host.nvml import Gpu, Reading

PERIOD_S = 0.1

# Bits of nvmlClocksEventReasons (nvml.h) by cause. A hardware slowdown is an external power brake or one of the GPU's
# own; an idle GPU and a clock set by a user are not throttling.
_REASONS = {
    "thermal": 0x20 | 0x40,
    "power cap": 0x04,
    "hardware slowdown": 0x08 | 0x80,
}
_FIGURES = ("clock_hz", "power_w", "temperature_c")


class ClockMonitor:
    """Reads a GPU periodically in a thread within a `with` block; without a GPU it does nothing.

    `wait` waits for the next reading and returns True when the block has ended.
    """

    def __init__(self, gpu: Gpu | None, wait: Callable[[threading.Event], bool] | None = None) -> None:
        self.readings: list[Reading] = []
        self._gpu = gpu
        self._has_ended = threading.Event()
        self._wait = wait or (lambda has_ended: has_ended.wait(PERIOD_S))
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> ClockMonitor:
        if self._gpu is not None:
            self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._has_ended.set()
        if self._gpu is not None:
            self._thread.join()

    def _read(self) -> None:
        assert self._gpu is not None, "the thread runs only with a GPU"
        while True:
            self.readings.append(self._gpu.read())
            if self._wait(self._has_ended):
                return


def clock_record(readings: Sequence[Reading]) -> dict[str, dict[str, float]]:
    """Return median, minimum and maximum of clock, power and temperature, as far as they were reported."""
    record = {}
    for name in _FIGURES:
        values = [value for reading in readings if (value := getattr(reading, name)) is not None]
        if values:
            record[name] = {"median": statistics.median(values), "low": min(values), "high": max(values)}
    return record


def throttle_flags(readings: Sequence[Reading]) -> tuple[str, ...]:
    """Return a flag with the causes of throttling and how many readings show each."""
    bits_read = [reading.throttle_reasons for reading in readings if reading.throttle_reasons is not None]
    counts = {cause: sum(bool(reasons & bits) for reasons in bits_read) for cause, bits in _REASONS.items()}
    causes = ", ".join(f"{cause} in {count} of {len(bits_read)} readings" for cause, count in counts.items() if count)
    return (f"throttled: {causes}",) if causes else ()
