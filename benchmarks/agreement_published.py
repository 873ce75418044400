"""Compare the counts with published figures.

    python benchmarks/agreement_published.py RATES.csv[.xz]

writes results/published_macs.csv from the tables of rates that the timm project publishes (its folder `results`,
joined, with the columns model, img_size, param_m and gmacs) and from the metadata of torchvision's weights.
"""

from __future__ import annotations

import csv
import lzma
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agreement_page import table
from agreement_row import Row

PUBLISHED = Path(__file__).parent.parent / "results" / "published_macs.csv"

# Figures that the models as built do not have, with the reason.
OTHERS: dict[str, str] = {
    "ecaresnext50t_32x4d": "Published when timm built it with two blocks in each stage: with `layers=(2, 2, 2, 2)` "
    "it has 2.699 with fvcore's extra, and 15.406M parameters.",
    "googlenet": "The published parameters leave out the auxiliary heads, which run in training only.",
}
OTHERS["quantized_googlenet"] = OTHERS["googlenet"]
# fvcore's counts of today's models, 10⁹, where the reason is a rule of fvcore's.
for _name, _gmacs in {"sequencer2d_l": 9.737, "sequencer2d_m": 6.550, "sequencer2d_s": 4.959}.items():
    OTHERS[_name] = f"fvcore has no rule for LSTM and counts {_gmacs:.3f} without it."
for _name, _gmacs in {"swinv2_cr_large_384": 108.955, "tf_efficientnet_lite4": 4.035}.items():
    OTHERS[_name] = f"fvcore counts {_gmacs:.3f}, of which the published figure is rounded."
OTHERS["resnetv2_101x3_bit"] = "fvcore counts 280.325: it adds 1.526 for the batch norm that standardises the weights."
for _name in ("dlittle", "dpwee", "dwee"):
    OTHERS[f"vit_{_name}_patch16_reg1_gap_256"] = (
        "Published with attention as separate products. Fused, timm's differential attention multiplies both halves by "
        "all values, in two calls of scaled_dot_product_attention: 3/2 of the products."
    )
for _name, _params in {"shvit_s1": 6.309, "shvit_s2": 11.454, "shvit_s3": 14.210, "shvit_s4": 16.546}.items():
    OTHERS[_name] = f"Published with its branches merged, as `reparameterize_model` does: {_params:.3f}M parameters."
# Counts by fvcore's rules and 10⁶ parameters after timm's `reparameterize_model`.
MERGED = {
    "fastvit_mci3": (14.825, 125.074),
    "fastvit_mci4": (27.775, 321.570),
    "ghostnetv3_050": (0.052, 2.853),
    "ghostnetv3_100": (0.171, 6.148),
    "ghostnetv3_130": (0.275, 8.948),
    "ghostnetv3_160": (0.406, 12.378),
}
for _name, (_gmacs, _params) in MERGED.items():
    OTHERS[_name] = (
        f"Published with its parallel branches merged, as `reparameterize_model` does: then it has {_gmacs:.3f} with "
        f"fvcore's extra, and {_params:.3f}M parameters."
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """What a library publishes about a model at an image size, as text: 10⁹ MACs and 10⁶ parameters."""

    library: str
    model: str
    side: str
    gmacs: str
    params_m: str


def read() -> list[Figure]:
    """Return the committed figures; a model may have several."""
    with PUBLISHED.open(newline="", encoding="utf-8") as stream:
        return [Figure(**record) for record in csv.DictReader(stream)]


def section(rows: Sequence[Row], figures: Iterable[Figure]) -> str:
    """Return the part of the page about published figures."""
    by_model = {(row.library, row.model, row.input.split("x")[-1]): row for row in rows if row.eval_macs}
    pairs: dict[tuple[str, str], tuple[Row, list[Figure]]] = {}
    for figure in figures:
        if row := by_model.get((figure.library, figure.model, figure.side)):
            pairs.setdefault((figure.library, figure.model), (row, []))[1].append(figure)
    if not pairs:
        return ""
    lines, others = [], []
    for library in ("timm", "torchvision"):
        checked = [_Checked(*pair) for (name, _), pair in pairs.items() if name == library]
        kinds = Counter(model.macs for model in checked)
        params = sum(model.has_params for model in checked)
        lines.append(
            [library, *(f"{n:,}" for n in (len(checked), kinds["equal"], kinds["fvcore"], kinds["other"], params))]
        )
        others += [model.cells for model in checked if model.macs == "other" or not model.has_params]
    header = ["Library", "Models", "MACs equal", "With fvcore's extra", "Other", "Parameters equal"]
    text = TEXT + table(header, "lrrrrr", lines)
    if others:
        header = ["Model", "MACs, G", "Published", "Parameters, M", "Published", "Reason"]
        text += "\n" + table(header, "lrrrrl", others)
    return text


class _Checked:
    """A model with the verdicts on its published figures."""

    def __init__(self, row: Row, figures: Sequence[Figure]) -> None:
        self._row, self._figures = row, figures
        gmacs = [figure.gmacs for figure in figures]
        with_extra = row.eval_macs + row.fvcore_extra
        self.macs = (
            "equal"
            if _is_rounded(row.eval_macs / 1e9, gmacs)
            else "fvcore"
            if _is_rounded(with_extra / 1e9, gmacs)
            else "other"
        )
        self.has_params = _is_rounded(row.params / 1e6, [figure.params_m for figure in figures])

    @property
    def cells(self) -> list[str]:
        """The row of a model whose figures are not those published."""
        gmacs = " or ".join(dict.fromkeys(figure.gmacs for figure in self._figures))
        params = " or ".join(dict.fromkeys(figure.params_m for figure in self._figures))
        row = self._row
        return [
            row.model,
            f"{row.eval_macs / 1e9:.3f}",
            gmacs,
            f"{row.params / 1e6:.3f}",
            params,
            OTHERS.get(row.model, ""),
        ]


TEXT = """\
## Published figures

Of each model the published MACs of a forward pass at the same image size, rounded as they are. timm's were counted
with fvcore, which adds flops for normalisation (2 for each element of batch, 5 of layer and group normalisation),
pooling and resampling to the multiply–accumulates of products. *With fvcore's extra*: equal once these are added by its
rules. torchvision's detectors are left out: they were counted on another image, and counts depend on it.

"""


def _is_rounded(number: float, published: Iterable[str]) -> bool:
    """Return whether one of the published texts is the number, rounded; 1e-6 is for halves."""
    return any(
        abs(number - float(text)) <= 0.5 * 10.0 ** -len(text.partition(".")[2]) + 1e-6 for text in published if text
    )


def _of_timm(path: Path) -> Iterator[Figure]:
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["gmacs"]:
                gmacs, params = f"{float(row['gmacs']):.2f}", f"{float(row['param_m']):.2f}"
                yield Figure("timm", row["model"], row["img_size"], gmacs, params)


def _of_torchvision() -> Iterator[Figure]:
    from libraries import torchvision_models
    from torchvision import models

    for case in torchvision_models.cases():
        if "," not in case.name and case.training_inputs is None:
            metadata = models.get_model_weights(case.name).DEFAULT.meta
            inputs = case.inputs(1)
            side = (inputs[0] if isinstance(inputs, tuple) else inputs).shape[-1]
            params = f"{metadata['num_params'] / 1e6:.6f}"
            yield Figure("torchvision", case.name, str(side), f"{metadata['_ops']:.3f}", params)


def main() -> None:
    """Write the table of published figures."""
    figures = sorted(
        {*_of_timm(Path(sys.argv[1])), *_of_torchvision()},
        key=lambda f: (f.library, f.model, f.side, f.gmacs, f.params_m),
    )
    with PUBLISHED.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Figure.__slots__)
        writer.writerows([f.library, f.model, f.side, f.gmacs, f.params_m] for f in figures)


if __name__ == "__main__":
    main()
