"""Published figures by model and image size: rates of one file, accuracies of the most accurate weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from archbench.store.published import PublishedAccuracy, PublishedRate


class Subject(NamedTuple):
    """An architecture by timm's name, on square images of so many pixels."""

    model: str
    img_size: int


RateTable = Mapping[Subject, "PublishedRate"]


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """A subject's published rate and accuracy; None where there is none."""

    rate: PublishedRate | None
    accuracy: PublishedAccuracy | None


def rate_tables(
    rates: Iterable[PublishedRate], subjects: Collection[Subject] | None = None
) -> dict[str, dict[Subject, PublishedRate]]:
    """Return the rates of subjects, of all by default, by the file that they come from: its conditions are the same."""
    tables: dict[str, dict[Subject, PublishedRate]] = {}
    for rate in rates:
        subject = Subject(rate.model, rate.img_size)
        if subjects is None or subject in subjects:
            table = tables.setdefault(rate.source, {})
            table[subject] = max(table.get(subject, rate), rate, key=lambda each: each.images_per_s)
    return tables


def fullest(tables: Mapping[str, RateTable]) -> str | None:
    """Return the file with rates of the most subjects, of several that with the highest rates; None without files."""
    return max(tables, key=lambda source: _coverage(tables[source]), default=None)


def most_accurate(accuracies: Iterable[PublishedAccuracy]) -> dict[Subject, PublishedAccuracy]:
    """Return the highest top-1 accuracy of each subject."""
    best: dict[Subject, PublishedAccuracy] = {}
    for accuracy in accuracies:
        subject = Subject(accuracy.model, accuracy.img_size)
        best[subject] = max(best.get(subject, accuracy), accuracy, key=lambda each: each.top1)
    return best


def _coverage(table: RateTable) -> tuple[int, float]:
    return len(table), sum(rate.images_per_s for rate in table.values())
