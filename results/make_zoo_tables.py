"""Write the zoo's tables beside this file: every layer of every model, and one row a model.

python results/make_zoo_tables.py
"""

from __future__ import annotations

from pathlib import Path

from archbench.files import write_whole
from archbench.models.address import find, model_names
from archbench.reporting.export.csv import to_csv
from archbench.reporting.tables.model import comparison_table, summaries_table
from cli.loading import count
from cli.options import Mode

FOLDER = Path(__file__).parent


def main() -> None:
    """Summarize every model of the zoo, not of other installed packages, on its usual input, batch 1."""
    names = [name for name in model_names() if find(name).builder.__module__.startswith("zoo.")]
    counted = {name: count(name, None, 1, Mode.eval) for name in names}
    layers = summaries_table({name: one.summary.table for name, one in counted.items()}, batch=1)
    models = comparison_table([one.row() for one in counted.values()], baseline=0, batch=1, mode="eval")
    write_whole(FOLDER / "zoo_summary.csv", to_csv(layers))
    write_whole(FOLDER / "zoo_compare.csv", to_csv(models))
    print(f"wrote {len(names)} models to {FOLDER}")


if __name__ == "__main__":
    main()
