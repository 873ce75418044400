"""Torchrun as `archbench train --processes` calls it: ends with its caller, and ends in one line where it is stopped.

python -m archbench.training.distributed.launch [what torchrun takes]
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Start the processes and wait for them; exit with 143 where it is terminated, with 1 where they gave up."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    _end_with(os.getppid())
    try:
        torchrun(sys.argv[1:])
    except SignalException:
        sys.exit(128 + signal.SIGTERM)
    except ChildFailedError:
        sys.exit(1)


def _end_with(parent: int) -> None:
    """Have the system terminate this process when its parent is gone, even if that was killed; Linux alone can."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
