"""Sentences that qualify a model's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archbench.analyze.layers import Doubt, LayerTable
from archbench.analyze.value_use import ValueUse
from archbench.reporting.tables.wording import listed
from archbench.units import format_count

_DOUBTS: dict[Doubt, str] = {
    "autocast": "counted without autocast; bytes and peak memory are those of the tensors' own dtypes",
    "fused recurrence": (
        "recurrent layers as one cuDNN kernel, without the space that it reserves beside the layers' outputs"
    ),
    "no backward": "no output requires a gradient, so that there is no backward pass",
    "recurrence": "peak memory and bytes are of recurrent layers step by step; fused kernels differ",
    "trainable external tensors": (
        "it uses trainable tensors that are not its parameters; gradients for them are not counted"
    ),
    "unknown blocks": "flex_attention: all scores were counted, the blocks that its mask keeps are not known",
    "unknown branches": "torch.cond: the first branch was counted, the predicate is not known",
}


def caveats(model: str, table: LayerTable, real_data_reason: str | None) -> tuple[str, ...]:
    """Return the caveats of a model's numbers: what was not counted, not used, or computed on real data."""
    sentences = []
    if table.uncounted:
        calls = ", ".join(f"{name} ({times}×)" for name, times in sorted(table.uncounted.items()))
        sentences.append(f"{model}: uncounted, their cost is in no figure: {calls}")
    if table.unread:
        sentences.append(f"{model}: no operator read the parameters of {', '.join(table.unread)}")
    if table.other_weights:
        count, users = format_count(table.other_weights.values), _abridged(table.other_weights.layers)
        sentences.append(
            f"{model}: {count} weights are not parameters but buffers or packed weights of {users}; "
            "params leave them out"
        )
    if table.unfused_attention:
        reasons = ", ".join(table.unfused_attention)
        sentences.append(f"{model}: attention as separate products, which torch does not fuse for {reasons}")
    sentences += [f"{model}: {sentence}" for sentence in _value_caveats(table.values, real_data_reason)]
    sentences += [f"{model}: {_DOUBTS[doubt]}" for doubt in sorted(table.doubts)]
    return tuple(sentences)


def _abridged(names: Sequence[str]) -> str:
    """List the first three names, and the number of others."""
    more = [f"{len(names) - 3} more"] if len(names) > 3 else []
    return listed(["the root" if name == "." else name for name in names[:3]] + more)


def _value_caveats(values: ValueUse, real_data_reason: str | None) -> Iterator[str]:
    if real_data_reason:
        data = "random data (seed 0)" if values.is_random else "real data"
        yield f"run on {data}, because {real_data_reason}; counts may depend on values"
    if values.ones_reason:
        yield f"integer inputs were taken as ones, because {values.ones_reason}; counts may depend on values"
    if values.operators:
        ran = ", ".join(f"{name} ({_abridged(layers)})" for name, layers in sorted(values.operators.items()))
        yield f"counts depend on values, where these operators ran: {ran}"
