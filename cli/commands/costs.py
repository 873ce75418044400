"""`archbench costs`: the rules by which operators are counted."""

from __future__ import annotations

import archbench
from cli.output import Destination, output_options


@output_options
def costs(*, target: Destination) -> None:
    """Print how each operator is counted.

    One rule per operator, for its MACs and FLOPs; an operator without a rule is listed as uncounted wherever it ran.

    Example: archbench costs --format markdown
    """
    target.deliver(archbench.costs())
