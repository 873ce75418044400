"""Write the zoo's tables beside this file: every layer of every model, and one row a model.

python results/make_zoo_tables.py
"""

from __future__ import annotations

from pathlib import Path

from archbench.address import find, model_names
from archbench.analyze.comparison import comparison_row
from archbench.api import summarize
from archbench.inputs import InputSpec
from archbench.report.csv import to_csv
from archbench.report.files import write_whole
from archbench.report.layouts import comparison_table, summaries_table

FOLDER = Path(__file__).parent


def main() -> None:
    """Summarize every model of the zoo on its usual input, batch 1."""
    tables, rows = {}, []
    for name in model_names():
        source = find(name)
        if source.card is None or not source.builder.__module__.startswith("zoo."):
            continue  # another package's model
        summary = summarize(source.build(), InputSpec(source.card.input_shape).tensor(1))
        tables[name] = summary.table
        rows.append(
            comparison_row(
                name,
                summary.totals,
                title=source.card.title,
                year=source.card.year,
                input_shape=summary.inputs[0],
                reported_top5_error_percent=source.card.reported_top5_error_percent,
            )
        )
    write_whole(FOLDER / "zoo_summary.csv", to_csv(summaries_table(tables, batch=1)))
    write_whole(FOLDER / "zoo_compare.csv", to_csv(comparison_table(rows, baseline=0, batch=1, mode="eval", notes=())))
    print(f"wrote {len(tables)} models to {FOLDER}")


if __name__ == "__main__":
    main()
