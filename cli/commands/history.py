"""`archbench history`: the record of the ImageNet challenge."""

from __future__ import annotations

from cli.output import Destination, output_options


@output_options
def history(*, target: Destination) -> None:
    """Show the ImageNet challenge by year: error and depth of its winners, beside what the zoo's models cost.

    Example: archbench history --format markdown
    """
    from csv import DictReader
    from importlib.resources import files

    from archbench.analyze.imagenet_history import history_rows
    from archbench.reporting.tables.model import history_table
    from cli.loading import count

    entries = list(DictReader((files("zoo") / "history.csv").read_text(encoding="utf-8").splitlines()))
    models = [entry["model"] for entry in entries if entry["model"]]
    totals = {model: count(model, None, 1, "eval").summary.totals for model in models}
    target.deliver(history_table(history_rows(entries, totals)))
