"""Published claims and their verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from archbench.analyze.claim_quantities import Facts
from archbench.analyze.claims import Claim, Judged, judge, models_of, read_claims
from archbench.analyze.dataflow import calls_of, weight_depth
from archbench.analyze.layers import layer_table
from archbench.errors import InputError
from archbench.models.loaded import load_model


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
        loaded = load_model(name)
        record = loaded.trace(1, "eval")
        error = loaded.card.reported_top5_error_percent if loaded.card else None
        depth = weight_depth(calls_of(record))
        facts[name] = Facts(layer_table(record), record.inputs[0].shape[1:], error, depth)
    return [judge(claim, facts) for claim in claims]
