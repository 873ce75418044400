from __future__ import annotations

from collections.abc import Callable

import numpy as np


class Script:
    """A subject whose steps take `step_s` seconds, times what `shape` says of the time run so far, times noise a block.

    `noise` is the standard deviation of a block as a part of it. Nothing runs, and no clock is read.
    """

    def __init__(
        self, step_s: float, noise: float = 0.0, seed: int = 0, shape: Callable[[float], float] = lambda elapsed_s: 1.0
    ) -> None:
        self._step_s = step_s
        self._noise = noise
        self._random = np.random.default_rng(seed)
        self._shape = shape
        self.elapsed_s = 0.0
        self.blocks: list[int] = []

    def run(self, steps: int) -> float:
        factor = max(0.01, 1 + self._noise * self._random.normal())
        block_s = steps * self._step_s * self._shape(self.elapsed_s) * factor
        self.elapsed_s += block_s
        self.blocks.append(steps)
        return block_s
