"""The rules by which operators are counted."""

from __future__ import annotations

from dataclasses import dataclass

from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.costs import costs_table
from archbench.trace.costs import all_rules
from archbench.trace.costs.registry import Rule


@dataclass(frozen=True, repr=False)
class Costs(TableResult):
    """The cost rules of all operators."""

    rules: tuple[Rule, ...]

    def to_table(self) -> Table:
        """Return one row per operator; for people, operators with the same rule stand together."""
        return costs_table(self.rules)


def costs() -> Costs:
    """Return the rule of each operator for its MACs and FLOPs, those with MACs first.

    An operator that is not listed is reported as uncounted wherever it ran; `archbench.register_cost` adds a rule.
    """
    return Costs(all_rules())
