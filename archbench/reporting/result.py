"""The base class of results that are one table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from archbench.errors import choose
from archbench.files import write_whole
from archbench.reporting.export.csv import to_csv
from archbench.reporting.export.formats import Format, format_of
from archbench.reporting.export.html import to_html
from archbench.reporting.export.json import to_json
from archbench.reporting.export.markdown import to_markdown
from archbench.reporting.export.text import to_text
from archbench.reporting.table import Table

if TYPE_CHECKING:
    import pandas as pd

_FILE_WIDTH = 160


class TableResult(ABC):
    """A result that is one table, from which its text, HTML, DataFrame and files are made."""

    formats: ClassVar[tuple[Format, ...]] = ("table", "csv", "json", "markdown")

    @abstractmethod
    def to_table(self) -> Table:
        """Return the table: raw rows, columns, notes and caveats."""

    @property
    def caveats(self) -> tuple[str, ...]:
        """Sentences that qualify the numbers."""
        return self.to_table().caveats

    def to_dict(self) -> Any:
        """Return plain data, as `--format json` writes it: a list with one dict per row, or the result's own form."""
        table = self.to_table()
        return [{column.field: row.get(column.field) for column in table.columns} for row in table.rows]

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame of raw values, one column per field."""
        import pandas as pd

        table = self.to_table()
        fields = [column.field for column in table.columns]
        return pd.DataFrame([{field: row.get(field) for field in fields} for row in table.rows], columns=fields)

    def render(
        self, format: Format, *, stream: IO[str] | None = None, width: int | None = None, notes: bool = True
    ) -> str:
        """Return the result as text in a format; a table as `stream` can show it, or `width` columns wide.

        Without `notes` nothing stands below a table.
        """
        if format == "csv":
            return to_csv(self.to_table())
        if format == "json":
            return to_json(self.to_dict())
        if format == "markdown":
            return to_markdown(self.to_table() if notes else replace(self.to_table(), notes=(), doubts=(), caveats=()))
        return to_text(self.to_table(), stream=stream, width=width, has_notes=notes)

    def save(self, path: str | Path, format: Format | None = None, *, notes: bool = True) -> None:
        """Write the result to a file, completely or not at all.

        Args:
            path: The file. `.txt`, `.csv`, `.json` and `.md` select the format.
            format: `"table"`, `"csv"`, `"json"` or `"markdown"`, whatever the ending is.
            notes: Whether sentences may stand below a table.

        Raises UsageError for an ending or a format that the result does not have, OutputError if it cannot be written.
        """
        path = Path(path)
        chosen = format_of(path, self.formats) if format is None else choose("format", format, self.formats)
        write_whole(path, self.render(chosen, width=_FILE_WIDTH, notes=notes))

    def __str__(self) -> str:
        table = self.to_table()
        return to_text(replace(table, doubts=(*table.doubts, *table.caveats))).rstrip("\n")

    def __repr__(self) -> str:
        number = len(self.to_table().rows)
        return f"<{type(self).__name__}: {number} row{'' if number == 1 else 's'}>"

    def _repr_html_(self) -> str:
        return to_html(self.to_table())

    def _repr_markdown_(self) -> str:
        return to_markdown(self.to_table())


@dataclass(frozen=True, repr=False)
class View(TableResult):
    """A result with its table arranged otherwise; what `view` returns."""

    result: TableResult
    table: Table

    def to_table(self) -> Table:
        """Return the arranged table."""
        return self.table

    def to_dict(self) -> Any:
        """Return the rows and columns of the arranged table, in the form of the result."""
        rows, whole = super().to_dict(), self.result.to_dict()
        return {**whole, "layers": rows} if isinstance(whole, dict) else rows
