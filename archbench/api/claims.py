"""Published claims and their verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from archbench.analyze.claims import Claim, Facts, Judged, judge, models_of, read_claims
from archbench.api.summary import summarize
from archbench.errors import InputError


def load_claims(path: Path | None = None) -> list[Claim]:
    """Return the claims in a CSV file, the zoo's by default. Raises InputError."""
    if path is None:
        return read_claims((files("zoo") / "claims.csv").read_text(encoding="utf-8"), "claims.csv")
    try:
        # Spreadsheets begin a CSV file in UTF-8 with a byte order mark.
        return read_claims(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read '{path}': {getattr(error, 'strerror', None) or 'it is not text'}") from error


def judge_claims(claims: Sequence[Claim]) -> list[Judged]:
    """Return the verdict on each claim, with its models counted on their usual inputs."""
    facts = {}
    for name in dict.fromkeys(name for claim in claims for name in models_of(claim)):
        summary = summarize(name)
        error = summary.card.reported_top5_error_percent if summary.card else None
        facts[name] = Facts(summary.table, summary.inputs[0][1:], error)
    return [judge(claim, facts) for claim in claims]
