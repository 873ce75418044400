"""`archbench costs`: the rules by which operators are counted."""

from __future__ import annotations

import archbench
from cli.output import Destination, output_options


@output_options
def costs(*, target: Destination) -> None:
    """Print the rule by which each operator is counted.

    One rule per operator, for its MACs and FLOPs. Operators without a rule are listed as uncounted by every command,
    never as zero.

    Example: archbench costs --format markdown
    """
    target.deliver(archbench.costs())
