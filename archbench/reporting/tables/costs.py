"""The table of cost rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from archbench.reporting.table import Column, Table
from archbench.trace.costs.registry import Rule

_COLUMNS = (Column("operator", "Operators", "text", 1, wraps=True), Column("rule", "Rule", "text", 2, wraps=True))


def costs_table(rules: Sequence[Rule]) -> Table:
    """Return one row per operator; for people, operators with the same rule stand together."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for rule in rules:
        alike[rule.text].append(rule.operator)
    return Table(
        columns=_COLUMNS,
        rows=[{"operator": rule.operator, "rule": rule.text} for rule in rules],
        folded=[{"operator": ", ".join(operators), "rule": text} for text, operators in alike.items()],
        group="rule",
        notes=("Operators without a rule are listed as uncounted, never as zero.",),
    )
