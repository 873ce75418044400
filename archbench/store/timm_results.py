"""Result files of timm: rates and accuracies, with the conditions that their names state.

The format is that of the folder `results` of huggingface/pytorch-image-models (Apache-2.0). A file of rates is named
`benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv`: mode, dtype, layout, versions of torch and CUDA, device, and
`-dynamo` at the end where torch.compile was used.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from archbench.errors import InputError
from archbench.models.timm_names import architecture
from archbench.store.published import Figure, PublishedAccuracy, PublishedRate

_MOST_SHOWN = 40  # characters of a cell that an error quotes
_ACCURACIES = "results-imagenet.csv"
_EXAMPLE = "benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv"
_NAME = re.compile(
    r"benchmark-(?P<run>infer|train)-(?P<dtype>amp|amp_bf16|bf16|fp16|fp32)-(?P<layout>nchw|nhwc)"
    r"-pt(?P<torch>\d{3,4})-(?P<kind>cu\d+|cpu)-(?!dynamo\b)(?P<device>\w[\w-]*?)(?P<compiled>-dynamo)?\.csv",
    re.ASCII,
)


def read_timm_results(path: Path) -> list[Figure]:
    """Return the figures in a result file of timm, rates or accuracies.

    Raises InputError, in one line, for a name without the conditions, a file that cannot be read, missing columns or a
    value that is not a valid number.
    """
    if path.name == _ACCURACIES:
        return [_accuracy(row) for row in _rows(path, ("model", "img_size", "top1", "top5"))]
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise InputError(
            f"the name '{path.name}' does not state the conditions as timm's result files do; expected a name such as "
            f"{_EXAMPLE}, or {_ACCURACIES}"
        )
    run, conditions = match["run"], _conditions(match)
    columns = ("model", *(f"{run}_{name}" for name in ("img_size", "batch_size", "samples_per_sec")))
    return [_rate(row, run, conditions) for row in _rows(path, columns)]


def _conditions(match: re.Match[str]) -> dict[str, Any]:
    """Return the fields of a rate that a file's name states."""
    kind = "cpu" if match["kind"] == "cpu" else "cuda"
    # The newest files leave the beginning out: 4090, 5090.
    device = f"rtx{match['device']}" if match["device"].isdecimal() else match["device"]
    # timm's plain amp is autocast to float16, archbench's to bfloat16; timm allows TF32 for products on a GPU.
    dtypes = {"amp": "amp-fp16", "amp_bf16": "amp", "fp32": "tf32" if kind == "cuda" else "fp32"}
    return {
        "kind": kind,
        "device": device,
        "mode": {"infer": "eval", "train": "train"}[match["run"]],
        "dtype": dtypes.get(match["dtype"], match["dtype"]),
        "layout": match["layout"],
        "compiled": match["compiled"] is not None,
        "torch": _version(match["torch"]),
    }


def _version(digits: str) -> str:
    """Return torch's version: 1.12 for 112, which had two digits after the first, 2.4.0 for 240, 2.10.0 for 2100."""
    return f"1.{digits[1:]}" if digits[0] == "1" else f"{digits[0]}.{digits[1:-1]}.{digits[-1]}"


def _rate(row: _Row, run: str, conditions: Mapping[str, Any]) -> PublishedRate:
    return PublishedRate(
        source=row.path.name,
        model=architecture(row.text("model")),
        img_size=row.whole(f"{run}_img_size"),
        batch=row.whole(f"{run}_batch_size"),
        images_per_s=row.number(f"{run}_samples_per_sec"),
        **conditions,
    )


def _accuracy(row: _Row) -> PublishedAccuracy:
    model, _, weights = row.text("model").partition(".")
    return PublishedAccuracy(
        source=row.path.name,
        model=model,
        weights=weights,
        img_size=row.whole("img_size"),
        # Rounded to what was published: 71.594% is 0.71594.
        top1=round(row.number("top1", most=100) / 100, 8),
        top5=round(row.number("top5", most=100) / 100, 8),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a file, with the number of its line; a value that is not valid raises InputError."""

    path: Path
    line: int
    cells: Mapping[str, str | None]

    def text(self, column: str) -> str:
        """Return a cell that is not empty."""
        text = (self.cells[column] or "").strip()
        return text or self._refuse(column, "a name" if column == "model" else "a number")

    def number(self, column: str, most: float = math.inf) -> float:
        """Return a number above 0, in which commas may separate thousands."""
        text = self.text(column)
        try:
            value = float(text.replace(",", ""))
        except ValueError:
            value = math.nan
        if not (0 < value <= most and math.isfinite(value)):
            limit = f", at most {most:g}" if math.isfinite(most) else ""
            self._refuse(column, f"a number above 0{limit}")
        return value

    def whole(self, column: str) -> int:
        """Return a whole number from 1."""
        value = self.number(column, most=2**31)
        if not value.is_integer():
            self._refuse(column, "a whole number from 1")
        return int(value)

    def _refuse(self, column: str, expected: str) -> NoReturn:
        cell = (self.cells[column] or "")[:_MOST_SHOWN]
        raise InputError(f"'{self.path}', line {self.line}: {column} is '{cell}', expected {expected}")


def _rows(path: Path, columns: Sequence[str]) -> list[_Row]:
    """Return the rows of a file that has these columns and at least one row."""
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"'{path}' lacks the columns {', '.join(missing)} of timm's result files")
        rows = [_Row(path, reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise InputError(f"'{path}' is not a CSV file: {error}") from error
    if not rows:
        raise InputError(f"'{path}' has no rows")
    return rows


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"'{path}' is not a file")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"'{path}' is not a CSV file: it is not UTF-8 text") from error
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
