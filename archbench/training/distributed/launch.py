"""Start the processes that train one model together, through torchrun.

`launch` runs this module as `python -m archbench.training.distributed.launch [what torchrun takes]`: torchrun with an
end in one line where it is stopped, and that ends with its parent.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from archbench.errors import MeasurementError
from archbench.host.parent import end_with
from archbench.models.user_context import import_variables
from archbench.training.config import TrainConfig

_RESTARTS = 3


def launch(path: Path, config: TrainConfig, *, processes: int, checkpoint_s: float, is_quiet: bool) -> None:
    """Train the run of a folder in several processes; torchrun restarts them from the last checkpoint if one ends.

    Raises MeasurementError if torchrun gives up.
    """
    torchrun = ["--standalone", "--max-restarts", str(_RESTARTS), "--nproc-per-node", str(processes)]
    train = ["-m", "archbench", "train", "--resume", str(path), "--device", config.device, "--only-train"]
    train += ["--threads", str(max(1, config.threads // processes)), "--checkpoint-every", str(checkpoint_s)]
    train += ["--quiet"] if is_quiet else []
    # With a shared store, torchrun cannot replace a killed worker.
    variables = {**os.environ, **import_variables(), "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
    # In a session of its own: Ctrl-C must reach the workers once, through torchrun, not twice.
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, *torchrun, *train], env=variables, start_new_session=True
    )
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        logging.getLogger("archbench").info("what is done is kept; 'archbench train --resume %s' goes on", path)
        raise
    if code != 0:
        raise MeasurementError(f"the processes that train in '{path}' ended with code {code}")


def main() -> None:
    """Run torchrun; exit with 143 where it is terminated, with 1 where it gives up."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    end_with(os.getppid(), signal.SIGTERM)
    try:
        torchrun(sys.argv[1:])
    except SignalException:
        sys.exit(128 + signal.SIGTERM)
    except ChildFailedError:
        sys.exit(1)


if __name__ == "__main__":
    main()
