"""Output sizes and receptive fields, derived along each dimension."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from archbench.analyze.explain.derivation import Derivation, Remark, checked, derive, product_of
from archbench.analyze.explain.layer_facts import LayerFacts
from archbench.analyze.layers import LayerRow
from archbench.analyze.receptive_field import Field, Join, ReceptiveFields, Step
from archbench.trace.records import Trace, Window

_DIMENSIONS = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def output_sizes(facts: LayerFacts) -> Iterator[Derivation | Remark]:
    """Yield the output's size along each dimension over which a window slides."""
    sliding = facts.convolutions[0] if facts.convolutions else facts.pooling
    shape = facts.row.output_shape
    if sliding is None or sliding.window is None or shape is None:
        return
    # torch's pooling of one dimension runs in two, of which the first has size one.
    rank = min(len(sliding.window.kernel), len(shape) - 2)
    for place in reversed(range(-rank, 0)):
        symbol = f"output {_DIMENSIONS[rank][place]}"
        yield checked(symbol, shape[place], [_size(symbol, sliding.window, sliding.inputs[0].shape[place], place)])


def _size(symbol: str, window: Window, n: int, place: int) -> Derivation:
    """Return the output's size along one dimension; dilation is in the formula only if it is not 1."""
    values = {"n": n, "k": window.kernel[place], "p": window.padding[place], "s": window.stride[place]}
    dilation = window.dilation[place]
    span = "{k}" if dilation == 1 else "({d}·({k} − 1) + 1)"
    if dilation > 1:
        values["d"] = dilation
    if window.output_padding is not None:
        return derive(symbol, f"({{n}} − 1)·{{s}} − 2·{{p}} + {span} + {{q}}", **values, q=window.output_padding[place])
    steps = f"({{n}} − {span} + 2·{{p}})/{{s}}"
    if not window.rounds_up:
        return derive(symbol, f"⌊{steps}⌋ + 1", **values)
    size = derive(symbol, f"⌈{steps}⌉ + 1", **values)
    # A window that would begin in the padding behind the input is left out.
    is_behind = (size.result - 1) * values["s"] >= n + values["p"]
    return derive(symbol, f"⌈{steps}⌉", **values) if is_behind else size


def receptive_field_of(row: LayerRow, fields: ReceptiveFields, trace: Trace) -> Iterator[Derivation | Remark]:
    """Yield size, stride and centre of a row's receptive field, and whether it covers the whole input."""
    found = fields.steps.get(row.name) or fields.joins.get(row.name)
    if found is None or row.calls != 1:
        return
    after, rank = found.after, len(found.after.size)
    along = [
        _field_along(found, place) if isinstance(found, Step) else _joined_along(found, place)
        for place in reversed(range(rank))
    ]
    for alike in zip(*along, strict=True):
        if all(derivation == alike[0] for derivation in alike):
            yield alike[0]
        else:
            names = reversed(_DIMENSIONS[rank])
            for derivation, name in zip(alike, names, strict=True):
                yield replace(derivation, symbol=f"{derivation.symbol}, {name}")
    there = trace.inputs[0].shape[-rank:]
    made = (row.output_shape or ())[2:] or (1,) * rank
    if all(_covers(after, place, made[place], there[place]) for place in range(rank)):
        yield Remark("covers", {"field": after.size, "input": there})


def _covers(field: Field, place: int, units: int, inputs: int) -> bool:
    """Return whether the first unit and the last see all inputs along a dimension."""
    begin = field.centre[place] - Fraction(field.size[place] - 1, 2)
    return begin + (units - 1) * field.stride[place] <= 0 and begin + field.size[place] >= inputs


def _field_along(step: Step, place: int) -> tuple[Derivation, ...]:
    before, window = step.before, step.window
    k, j, p, d = window.kernel[place], before.stride[place], window.padding[place], window.dilation[place]
    dilated, factor = ({"d": d}, "{d}·") if d > 1 else ({}, "")
    size = derive(
        "receptive field",
        f"{{r}} + {factor}({{k}} − 1)·{{j}}",
        **{"r": before.size[place], **dilated, "k": k, "j": j},
    )
    stride = product_of("receptive field stride", s=window.stride[place], j=j)
    centre = derive(
        "receptive field centre",
        f"{{a}} + ({factor}({{k}} − 1)/2 − {{p}})·{{j}}",
        a=before.centre[place],
        **dilated,
        **{"k": k, "p": p, "j": j},
    )
    results = (step.after.size[place], step.after.stride[place], step.after.centre[place])
    assert (size.result, stride.result, centre.result) == results, "both follow one rule"
    return size, stride, centre


def _joined_along(join: Join, place: int) -> tuple[Derivation, ...]:
    """Return the field of what joins branches: the largest of theirs, or from the first input to the last of any."""
    sizes = [field.size[place] for field in join.branches]
    after = join.after.size[place]
    if max(sizes) == after:
        fields = {f"r{i}": size for i, size in enumerate(dict.fromkeys(sizes), start=1)}
        names = ", ".join(f"{{{name}}}" for name in fields)
        return (derive("receptive field", f"max({names})" if len(fields) > 1 else names, **fields),)
    first = join.after.centre[place] - Fraction(after - 1, 2)
    return (derive("receptive field", "{z} − {a} + 1", z=first + after - 1, a=first),)
