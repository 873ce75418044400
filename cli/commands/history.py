"""`archbench history`: the record of the ImageNet challenge."""

from __future__ import annotations

import archbench
from cli.output import Destination, output_options


@output_options
def history(*, target: Destination) -> None:
    """Show the ImageNet challenge by year: errors, depths and costs.

    Top-5 errors of the winners are percentages, layers those that the authors state. MACs (multiply-accumulates of
    convolutions and matrix products), parameters and depth (weight layers on the longest path) are counted in the zoo's
    models.

    Example: archbench history --format markdown
    """
    target.deliver(archbench.history())
