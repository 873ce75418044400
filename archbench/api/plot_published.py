"""The chart of published accuracy against published rate."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from archbench.api.published_figures import NOT_IMPORTED, StoredFigures, stored_figures
from archbench.errors import UsageError, nearest
from archbench.models.address import is_pattern
from archbench.models.patterns import matches
from archbench.models.timm_names import TORCHVISION, architecture, timm_name
from archbench.reporting.charts.published_accuracy import published_accuracy_chart
from archbench.store.published_figures import Subject, most_accurate

if TYPE_CHECKING:
    from archbench.reporting.charts.theme import Chart, Size
    from archbench.trace.tracer import Mode

_LOG = logging.getLogger("archbench")


def published_accuracy(
    what: Sequence[Any],
    *,
    mode: Mode = "eval",
    device: str | None = None,
    source: str | None = None,
    store: str | Path | None = None,
    **size: Unpack[Size],
) -> Chart:
    """Return published accuracy against rate of models, of all imported ones by default."""
    stored = stored_figures(mode, store)
    _require_both(stored)
    accuracies = most_accurate(stored.accuracies)
    addresses = _addresses(what, {subject.model for subject in accuracies})
    subjects = {subject for subject in accuracies if (subject.model in addresses if what else _is_of_use(subject))}
    rates = stored.table(subjects, device=device, source=source)
    _require_models(addresses, {subject.model for subject in rates}, {subject.model for subject in accuracies})
    return published_accuracy_chart([(rate, accuracies[subject]) for subject, rate in rates.items()], **size)


def _require_both(stored: StoredFigures) -> None:
    """Raise UsageError without imported rates of the mode, or without accuracies, with the command that imports."""
    if not stored:
        raise UsageError(f"nothing to plot: {NOT_IMPORTED}")
    run = {"eval": "infer", "train": "train"}[stored.mode]
    missing = {
        f"published rate of mode {stored.mode}": (stored.rates, f"benchmark-{run}-….csv"),
        "published accuracy": (stored.accuracies, "results-imagenet.csv"),
    }
    for what, (figures, file) in missing.items():
        if not figures:
            raise UsageError(
                f"nothing to plot: no {what} was imported; 'archbench results --import timm:{file}' imports them"
            )


def _require_models(addresses: Mapping[str, str], shown: Collection[str], known: Collection[str]) -> None:
    """Note the named models that are not shown. Raises UsageError if nothing is."""
    without = {name: address for name, address in addresses.items() if name not in shown}
    if not shown:
        models = f" for {', '.join(without.values())}" if without else ""
        hint = "".join(nearest(name, known, cutoff=0.7) for name in list(without)[:1] if name not in known)
        raise UsageError(f"nothing to plot: no published rate and accuracy at the same image size{models}{hint}")
    if without:
        _LOG.info("without a published rate and accuracy at the same image size: %s", ", ".join(without.values()))


def _addresses(what: Sequence[Any], known: Collection[str]) -> dict[str, str]:
    """Return the address of each model by timm's name; a plain name is timm's, a pattern stands for known ones.

    Raises UsageError for a module.
    """
    addresses: dict[str, str] = {}
    for model in what:
        if not isinstance(model, (str, Path)):
            raise UsageError(f"published figures are stored by name; give timm:resnet50, not a {type(model).__name__}")
        text = str(model)
        matching = _matching(text, known) if is_pattern(text) else {}
        addresses |= matching or {timm_name(text) or architecture(text): text}
    return addresses


def _matching(pattern: str, known: Collection[str]) -> dict[str, str]:
    """Return the addresses of known models that match a pattern, by timm's name."""
    names = {f"timm:{name}": name for name in known}
    names |= {f"torchvision:{own}": name for own, name in TORCHVISION.items() if name in known}
    full = pattern if ":" in pattern else f"timm:{pattern}"
    return {name: address for address, name in names.items() if matches(address, full)}


def _is_of_use(subject: Subject) -> bool:
    """Return whether a model is not one of timm's own tests, which are tiny: they would squeeze the others together."""
    return not subject.model.startswith("test_")
