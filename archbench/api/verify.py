"""Published figures against computed ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archbench.analyze.claims import Claim, Judged, models_of
from archbench.api.claims import judge_claims, load_claims
from archbench.errors import UsageError, nearest
from archbench.models.address import target_of
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.published import claims_table


@dataclass(frozen=True, repr=False)
class Claims(TableResult):
    """One row per claim: the figure as published, as computed, and the verdict.

    Verdicts are `exact`, `rounds` (equal at the stated precision), `close` (within 5%), `contradicts`, and `shown` for
    a reported error, which is not judged.
    """

    rows: tuple[Judged, ...]

    @property
    def contradicted(self) -> tuple[Judged, ...]:
        """The claims that the computed figure contradicts."""
        return tuple(row for row in self.rows if row.verdict == "contradicts")

    def to_table(self) -> Table:
        """Return one row per claim, and how many there are with each verdict."""
        return claims_table(self.rows)

    def __repr__(self) -> str:
        return f"<Claims: {len(self.rows)}, {len(self.contradicted)} contradicted>"


def verify(claims: str | Path | None = None, *, model: str | None = None) -> Claims:
    """Compare published figures with computed ones.

    Args:
        claims: A CSV file with the columns `id, source, model, layer, quantity, claimed, precision, note`; by default
            the project's own claims about its models.
        model: An address; only claims about it, its ratios, switches and numbers of classes are judged.

    Raises InputError for a file that cannot be read or has a malformed claim, UsageError for a model that no claim
    names; AddressError and ForwardError as `archbench.summarize`.
    """
    known = load_claims(None if claims is None else Path(claims))
    chosen = known
    if model is not None:
        chosen = [claim for claim in known if model in _names(claim)]
        if not chosen:
            names = {target_of(name) for claim in known for name in models_of(claim)}
            raise UsageError(f"there is no claim about {{model}}{nearest(model, names)}", model=model)
    return Claims(tuple(judge_claims(chosen)))


def _names(claim: Claim) -> set[str]:
    """Return a claim's models, with and without their numbers of classes and switches."""
    return {name for model in models_of(claim) for name in (model, target_of(model))}
