"""A model held to limits, for tests, pre-commit hooks and continuous integration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from archbench.analyze.limits import Limit, LimitRow, baseline_limits, check_limits
from archbench.api.summary import Summary, known_totals, summarize
from archbench.errors import InputError, UsageError, choose
from archbench.models.loaded import Inputs, Model
from archbench.reporting.result import TableResult
from archbench.reporting.table import Table
from archbench.reporting.tables.limits import limits_table
from archbench.trace.tracer import Mode
from archbench.units import parse_bytes, parse_count

Size = int | str | None
_PEAKS = {"eval": "peak_inference_bytes", "train": "peak_training_bytes"}


@dataclass(frozen=True, repr=False)
class CheckResult(TableResult):
    """One row per limit: the model's value, the limit, by how much it is exceeded, and the verdict `ok` or `missed`."""

    summary: Summary
    rows: tuple[LimitRow, ...]

    @property
    def passed(self) -> bool:
        """Whether every limit holds."""
        return all(row.verdict == "ok" for row in self.rows)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of the numbers must know, as sentences."""
        return self.summary.caveats

    def to_table(self) -> Table:
        """Return one row per limit."""
        return limits_table(self.rows, model=self.summary.model, caveats=self.caveats)

    def __repr__(self) -> str:
        return f"<CheckResult of {self.to_table().title}>"


def check(
    model: Model,
    inputs: Inputs = None,
    *,
    max_params: Size = None,
    max_macs: Size = None,
    max_flops: Size = None,
    max_param_bytes: Size = None,
    max_peak_memory: Size = None,
    baseline: str | Path | Summary | None = None,
    batch: int = 1,
    mode: Mode = "eval",
) -> CheckResult:
    """Hold a model to limits.

    Args:
        model: A module, or an address such as `"vgg16"`.
        inputs: As in `archbench.summarize`.
        max_params: The largest number of parameters; like all limits a number, or text such as `"5M"`.
        max_macs: The largest number of MACs of the batch.
        max_flops: The largest number of FLOPs of the batch.
        max_param_bytes: The largest size of the parameters in bytes, or text such as `"20MiB"`.
        max_peak_memory: The largest peak memory in bytes, in `mode`.
        baseline: A summary, or the path of one saved as JSON, whose totals must not be exceeded.
        batch: The number of samples.
        mode: `"train"` also counts the backward pass.

    Raises UsageError without any limit, InputError for a limit that is not a number or a baseline that was counted
    under other conditions; AddressError and ForwardError as `archbench.summarize`.

    Example:
        assert archbench.check(net, "3x224x224", max_params="5M").passed
    """
    choose("mode", mode, ("eval", "train"))
    given: dict[str, tuple[str, Size, Callable[[str], int]]] = {
        "max_params": ("params", max_params, parse_count),
        "max_macs": ("macs", max_macs, parse_count),
        "max_flops": ("flops", max_flops, parse_count),
        "max_param_bytes": ("param_bytes", max_param_bytes, parse_bytes),
        "max_peak_memory": (_PEAKS[mode], max_peak_memory, parse_bytes),
    }
    limits = [
        Limit(quantity, _number(name, size, parse), name)
        for name, (quantity, size, parse) in given.items()
        if size is not None
    ]
    if not limits and baseline is None:
        message = "there is nothing to check; give a limit such as {max_params}, or {baseline}"
        raise UsageError(message, max_params="5M", baseline=...)
    earlier = baseline if baseline is None or isinstance(baseline, Summary) else _read(baseline)
    summary = summarize(model, inputs, batch=batch, mode=mode)
    if earlier is not None:
        limits += _limits_of(earlier, summary, earlier.model if isinstance(baseline, Summary) else str(baseline))
    return CheckResult(summary, tuple(check_limits(known_totals(summary), limits)))


def _number(name: str, size: int | str, parse: Callable[[str], int]) -> int:
    """Return a limit as a number. Raises InputError that names the argument."""
    if isinstance(size, int) and size >= 0:
        return size
    try:
        return parse(str(size))
    except InputError as error:
        raise InputError(f"{{{name}}}: {error}", **{name: ...}) from None


def _read(path: str | Path) -> Summary:
    if not Path(path).exists():
        raise InputError("{baseline} does not exist; save a summary there first", baseline=path)
    return Summary.from_json(path)


def _limits_of(earlier: Summary, summary: Summary, source: str) -> list[Limit]:
    """Return a limit for each total that both summaries have. Raises InputError if they cannot be compared."""
    for what, then, now in _conditions(earlier, summary):
        if then != now:
            raise InputError(f"'{source}' was made with {what} {then}, this is {now}")
    limits = baseline_limits(known_totals(earlier), known_totals(summary), source)
    if not limits:
        raise InputError(f"'{source}' has no total to compare with; save the summary again")
    return limits


def _conditions(earlier: Summary, summary: Summary) -> Iterator[tuple[str, object, object]]:
    yield "inputs", list(map(list, earlier.inputs)), list(map(list, summary.inputs))
    yield "dtype", earlier.dtype, summary.dtype
    yield "mode", earlier.mode, summary.mode
