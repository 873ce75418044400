"""The tables of published figures, which others measured: they stay apart from this user's own results."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archbench.analyze.performance.kernels import Layout
    from archbench.host.machine import Kind
    from archbench.precision import PrecisionName
    from archbench.trace.tracer import Mode


@dataclass(frozen=True, slots=True)
class PublishedRate:
    """A published rate in images per second, under the conditions that the name of its file states.

    `source` is that name, `model` the name in the publisher's library; images are squares of `img_size` pixels.
    """

    source: str
    model: str
    kind: Kind
    device: str
    mode: Mode
    dtype: PrecisionName
    layout: Layout
    compiled: bool
    torch: str
    img_size: int
    batch: int
    images_per_s: float

    @property
    def conditions(self) -> str:
        """The conditions that all rates of a file share: `rtx4090, eval, amp-fp16, nchw, compiled, torch 2.9.1`."""
        form = ("compiled",) if self.compiled else ()
        return ", ".join((self.device, self.mode, self.dtype, self.layout, *form, f"torch {self.torch}"))


@dataclass(frozen=True, slots=True)
class PublishedAccuracy:
    """The published accuracy of pretrained weights on ImageNet's validation set, as fractions."""

    source: str
    model: str
    weights: str
    img_size: int
    top1: float
    top5: float


Figure = PublishedRate | PublishedAccuracy

# The first version of the store with these tables.
SINCE = 4

TABLES: dict[type[Figure], str] = {PublishedRate: "published_rates", PublishedAccuracy: "published_accuracies"}
COLUMNS = {record: tuple(field.name for field in fields(record)) for record in TABLES}
_SQL_TYPES = {"int": "INTEGER", "bool": "INTEGER", "float": "REAL"}


def _columns(record: type[Figure]) -> str:
    return ", ".join(f"{field.name} {_SQL_TYPES.get(str(field.type), 'TEXT')} NOT NULL" for field in fields(record))


SCHEMA = tuple(
    statement
    for record, table in TABLES.items()
    for statement in (
        f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {_columns(record)})",
        f"CREATE INDEX {table}_of_a_source ON {table} (source)",
    )
)
