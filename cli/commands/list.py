"""`archbench list`: the models that can be named without a path."""

from __future__ import annotations

import archbench
from cli.output import Destination, output_options


@output_options
def list_models(*, target: Destination) -> None:
    """List the installed models.

    Name, title, year, input and reported error; CSV and JSON also have paper and differences from it.

    Example: archbench list --format json
    """
    target.deliver(archbench.list_models())
