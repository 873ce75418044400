"""Write the zoo's tables beside this file: every layer of every model, and one row per model.

python results/make_zoo_tables.py
"""

from __future__ import annotations

from pathlib import Path

import archbench
from archbench.files import write_whole
from archbench.models.address import find
from archbench.reporting.export.csv import to_csv
from archbench.reporting.tables.summary import summaries_table

FOLDER = Path(__file__).parent


def main() -> None:
    """Summarize every model of the zoo, not of other installed packages, on its usual input, batch 1."""
    names = [card.name for card in archbench.list_models() if find(card.name).builder.__module__.startswith("zoo.")]
    comparison = archbench.compare(names)
    layers = summaries_table({summary.model: summary.table for summary in comparison.summaries}, batch=1)
    write_whole(FOLDER / "zoo_summary.csv", to_csv(layers))
    comparison.save(FOLDER / "zoo_compare.csv")
    print(f"wrote {len(names)} models to {FOLDER}")


if __name__ == "__main__":
    main()
