"""`archbench list`: the models that can be named without a path."""

from __future__ import annotations

from cli.options import Csv, FormatOption, Output


def list_models(format: FormatOption = None, output: Output = None, csv: Csv = None) -> None:
    """List the installed models.

    Name, title, year, input and reported error; CSV and JSON also have paper and differences from it.

    Example: archbench list --format json
    """
    from cli.output import destination

    target = destination(format, output, csv)

    from archbench.models.address import find, model_names
    from archbench.reporting.tables.model import models_table

    fields = (
        "title",
        "year",
        "input_shape",
        "reported_top5_error_percent",
        "reported_protocol",
        "paper",
        "differences",
    )
    cards = {name: find(name).card for name in model_names()}
    target.deliver(
        models_table(
            [{"name": name, **{field: getattr(card, field, None) for field in fields}} for name, card in cards.items()]
        )
    )
