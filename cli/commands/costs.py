"""`archbench costs`: the rules by which operators are counted."""

from __future__ import annotations

from cli.options import Csv, FormatOption, Output


def costs(format: FormatOption = None, output: Output = None, csv: Csv = None) -> None:
    """Print how each operator is counted.

    One rule an operator, for its MACs and FLOPs; what has no rule is listed as uncounted wherever it ran.

    Example: archbench costs --format markdown
    """
    from cli.output import destination

    target = destination(format, output, csv)

    from archbench.reporting.tables.model import costs_table
    from archbench.trace.costs import all_rules

    target.deliver(costs_table([{"operator": rule.operator, "rule": rule.text} for rule in all_rules()]))
