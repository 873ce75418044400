"""Make docs/agreement.md from the table of counts."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from agreement_row import ALONE, CORRECTED, DIFFERS, EXACT, FAILED, NOT_RUN, Row
from reference_counter import REASONS

INTRODUCTION = """\
# Agreement with torch's own counter

{models:,} architectures of {libraries} libraries, counted by archbench and by torch's `FlopCounterMode` (half of its
FLOPs) on the same model and input, in both modes: the forward pass, and the forward and backward pass of training.

{verdict}

- **Models**: the architectures of timm at their usual input sizes; those of torchvision, detectors at 320 pixels; the
  model types of transformers for which `AutoModel` has a class, from their default configurations cut to two layers,
  texts with a mask; models of diffusers; segmentation-models-pytorch with six encoders; layers and models of
  torch_geometric.
- **How**: untrained, on tensors without data where the model allows it; one sample in eval mode, two in training, where
  batch normalisation needs more than one. Where a model reads what it computes, both count on the same values.
- **Reference**: `FlopCounterMode` with attention and recurrent layers as separate products, for which it has formulas;
  the products that a fused backward kernel computes again are in neither count (archbench: `recomputed_macs`). What
  torch is known to miscount is corrected below, for each operator that ran, by formulas that are not archbench's.
- **Parameters** equal `sum(p.numel() for p in model.parameters())` in all of them.

`results/agreement.csv` has every model: its input, both counts in both modes, the corrections, the operators without a
cost rule, and why a model did not run. Made by `python benchmarks/agreement.py`.
"""

NOTE = """\
*As torch counts*: the same number. *Corrected*: the same number after the corrections below, and no other. *Not run*:
plain torch fails too, on the model's default configuration or on the inputs that it was given here; these are not in
the other columns.
"""


def page(rows: Sequence[Row], versions: dict[str, str], published: str = "") -> str:
    """Return the page."""
    sections = [
        INTRODUCTION.format(
            models=sum(row.eval_status != NOT_RUN for row in rows),
            libraries=len({row.library for row in rows}),
            verdict=_verdict(rows),
        ),
        _totals(rows),
        NOTE,
        _corrections(rows),
        published,
        _problems(rows),
        _uncounted(rows),
        _not_run(rows),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".\n",
    ]
    return "\n".join(section for section in sections if section)


def _verdict(rows: Sequence[Row]) -> str:
    counts = Counter(status for row in rows for status in (row.eval_status, row.train_status) if status)
    compared = counts[EXACT] + counts[CORRECTED] + counts[DIFFERS]
    text = (
        f"Of {compared:,} counts, **{counts[EXACT]:,} are equal as they are**, {counts[CORRECTED]:,} after corrections "
        f"of torch's formulas, each with its reason below, and **{counts[DIFFERS]:,} differ**. archbench fails in "
        f"{counts[FAILED]:,}; torch's counter fails in {counts[ALONE]:,} that archbench counts."
    )
    return textwrap.fill(text, 120)


COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Counted", (EXACT, CORRECTED, DIFFERS, ALONE)),
    ("As torch counts", (EXACT,)),
    ("Corrected", (CORRECTED,)),
    ("Differ", (DIFFERS,)),
    ("No reference", (ALONE,)),
    ("Fail", (FAILED,)),
    ("Not run", (NOT_RUN,)),
)


def _totals(rows: Sequence[Row]) -> str:
    """Return the counts of each library and mode by their status."""
    lines = []
    for library in dict.fromkeys(row.library for row in rows):
        for mode in ("eval", "train"):
            counts = Counter(getattr(row, f"{mode}_status") for row in rows if row.library == library)
            lines.append([library, mode, *(f"{sum(counts[s] for s in statuses):,}" for _, statuses in COLUMNS)])
    return table(["Library", "Mode", *(name for name, _ in COLUMNS)], "ll" + "r" * len(COLUMNS), lines)


def _corrections(rows: Sequence[Row]) -> str:
    """Return the reasons with the number of models that each concerns."""
    models: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        for part in filter(None, f"{row.eval_corrections}; {row.train_corrections}".split("; ")):
            models[part.rsplit(" ", 1)[0]].add((row.library, row.model))
    lines = [[reason, f"{len(models[reason]):,}", REASONS[reason]] for reason in REASONS if models[reason]]
    return "## What torch miscounts\n\n" + table(["In the CSV", "Models", "What, and the right count"], "lrl", lines)


def _problems(rows: Sequence[Row]) -> str:
    """Return the models whose counts differ without a reason or that only one side counts."""
    lines = [
        [row.library, row.model, mode, status, _escaped(_difference(row, mode) if status == DIFFERS else row.cause)]
        for row in rows
        for mode, status in (("eval", row.eval_status), ("train", row.train_status))
        if status in (DIFFERS, FAILED, ALONE)
    ]
    if not lines:
        return ""
    return "## Open\n\n" + table(["Library", "Model", "Mode", "Status", "Difference in MACs, or cause"], "lllll", lines)


def _difference(row: Row, mode: str) -> str:
    parts = filter(None, getattr(row, f"{mode}_corrections").split("; "))
    corrected = getattr(row, f"{mode}_torch") + sum(int(part.rsplit(" ", 1)[1]) for part in parts)
    return f"{getattr(row, f'{mode}_macs') - corrected:+,}"


def _uncounted(rows: Sequence[Row]) -> str:
    """Return the operators without a cost rule, which archbench names instead of counting them as nothing."""
    operators = Counter(operator for row in rows for operator in filter(None, row.uncounted.split("; ")))
    if not operators:
        return ""
    names = ", ".join(f"`{name}` ({models})" for name, models in operators.most_common())
    return (
        "## Operators without a cost rule\n\nNone of them is a product that torch counts. archbench names them beside "
        f"the totals; their FLOPs are not in these. With the number of models: {names}.\n"
    )


def _not_run(rows: Iterable[Row]) -> str:
    """Return how many models plain torch does not run either, by library and error."""
    causes: Counter[tuple[str, str]] = Counter(
        (row.library, row.cause.split(":")[0]) for row in rows if row.eval_status == NOT_RUN
    )
    if not causes:
        return ""
    lines = [[library, cause, str(number)] for (library, cause), number in causes.most_common()]
    return "## Not run by torch\n\n" + table(["Library", "Error", "Models"], "llr", lines)


def table(header: Sequence[str], alignment: str, lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; `alignment` has an l or r for each column."""
    rule: Callable[[str], str] = {"l": "---", "r": "---:"}.__getitem__
    rows = [header, [rule(a) for a in alignment], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
