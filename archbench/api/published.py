"""Published results: imported from timm's files, listed apart from what was measured here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from archbench.api.results import import_results
from archbench.models.timm_names import architecture, timm_name
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.published_results import counted, published_table
from archbench.store.database import Store
from archbench.store.filters import result_filter
from archbench.store.published import Figure
from archbench.store.timm_results import read_timm_results

_LOG = logging.getLogger("archbench")
_PREFIX = "timm:"
# Fields by which accuracies cannot be filtered: they do not depend on where they were measured.
_OF_RATES = ("mode", "kind", "device", "dtype", "batch")


@dataclass(frozen=True, repr=False)
class PublishedResults(TableResult):
    """Published rates and accuracies, in the order of their files."""

    figures: tuple[Figure, ...]

    def to_table(self) -> Table:
        """Return one row per figure."""
        return published_table(self.figures)


def import_timm(*files: str | Path, store: str | Path | None = None) -> int:
    """Import result files of timm as published figures; return their number.

    The files are `benchmark-*.csv` and `results-imagenet.csv` of the folder `results` of
    huggingface/pytorch-image-models; their names state the conditions. A file replaces what an earlier one of the same
    name had. Published figures never mix with measured ones. Nothing is imported if one of the files is wrong.

    Raises InputError for a file that cannot be read or is not one of timm's, StoreError.
    """
    read = [(Path(file), read_timm_results(Path(file).expanduser())) for file in files]
    with Store(store) as opened:
        for path, figures in read:
            opened.replace_published(figures)
            _LOG.info("imported %s from %s", counted(figures), path)
    return sum(len(figures) for _, figures in read)


def import_sources(sources: Sequence[str | Path], *, store: str | Path | None = None) -> None:
    """Import other stores, and files of timm whose names follow `timm:`. Raises what the imports of both raise."""
    texts = [str(source) for source in sources]
    for source in sources:
        if not str(source).startswith(_PREFIX):
            import_results(source, store=store)
    if files := [text.removeprefix(_PREFIX) for text in texts if text.startswith(_PREFIX)]:
        import_timm(*files, store=store)


def published_results(
    *,
    model: str | None = None,
    mode: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    batch: int | None = None,
    limit: int | None = None,
    store: str | Path | None = None,
) -> PublishedResults:
    """Return the published figures that match, file by file; all of them by default.

    Args:
        model: An address, or timm's name of a model.
        mode: `"eval"` or `"train"`; with this or one of the next three, only rates.
        device: `"cpu"`, `"cuda"`, or a device as the published files name it, such as `"rtx4090"`.
        dtype: The name of a precision.
        batch: The number of samples.
        limit: At most so many, the first.
        store: Path of the store; by default in the user's data directory.

    Raises UsageError for a value that is not a valid choice, StoreError if the store cannot be read.
    """
    wanted = result_filter(mode=mode, device=device, dtype=dtype, batch=batch)
    of_rates = {name: wanted[name] for name in _OF_RATES}
    name = model and (timm_name(model) or architecture(model))
    figures: list[Figure] = []
    opened = Store(store, for_reading=True)
    if opened.exists():
        with opened:
            figures += opened.published_rates(model=name, **of_rates)
            if not any(of_rates.values()):
                figures += opened.published_accuracies(model=name)
    if not figures:
        _LOG.info("no published figure matches; 'archbench results --import timm:FILE.csv' imports timm's results")
    return PublishedResults(tuple(islice(figures, limit)))
