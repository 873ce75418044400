"""`python -m archbench.measure.worker`: carry out one request, and end with the parent process."""

import os
import signal
import sys

from archbench.host.parent import end_with

if sys.platform == "linux":
    end_with(os.getppid(), signal.SIGKILL)  # before torch is imported, which takes seconds

from archbench.measure.worker.server import main  # see above

main()
