"""Each figure of a layer derived from the layer's own numbers, as a lecturer would write it on the board.

A derivation is data: a formula, the values substituted into it, and the result. MACs and FLOPs use the formulas that
counted them; other results are checked against the layer table, and a remark replaces one that differs. Counts are for
the whole batch, neurons per sample, as in `archbench.analyze.layers`; batch and calls are factors only if not 1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from archbench.analyze.branches import blocks_of
from archbench.analyze.dataflow import Call, calls_of, weight_depth
from archbench.analyze.explain.blocks import block_items
from archbench.analyze.explain.costs import flops_of, macs_of
from archbench.analyze.explain.derivation import (
    MOST_TERMS,
    Derivation,
    Remark,
    checked,
    derive,
    product_of,
    sum_of,
    sum_over_calls,
)
from archbench.analyze.explain.layer_facts import LayerFacts, per_sample
from archbench.analyze.explain.spatial import output_sizes, receptive_field_of
from archbench.analyze.explain.weights import parameters_of, volume_taken
from archbench.analyze.layers import LayerRow, LayerTable, layer_table
from archbench.analyze.receptive_field import Gap, receptive_fields
from archbench.trace.costs import Count
from archbench.trace.records import Operation, Trace


@dataclass(frozen=True, slots=True)
class LayerExplanation:
    """A row of the layer table with the derivations of its figures and remarks about it."""

    row: LayerRow
    derivations: tuple[Derivation, ...]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True, repr=False)
class TraceExplanation:
    """A model's layers in order of first execution, the layer table, and where receptive fields end, if they do.

    `depth` is the number of weight layers on the longest path.
    """

    layers: tuple[LayerExplanation, ...]
    table: LayerTable
    batch: int
    gap: Gap | None
    depth: int

    def __repr__(self) -> str:
        return f"<TraceExplanation of {len(self.layers)} layers, batch {self.batch}>"


def explain(trace: Trace) -> TraceExplanation:
    """Return the derivations of each row of a trace's layer table."""
    table = layer_table(trace)
    operations: defaultdict[str, list[Operation]] = defaultdict(list)
    generating: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in trace.operations:
        if operation.step in trace.generating and not operation.is_backward:
            generating[trace.row_of(operation)].append(operation)
        elif not (operation.is_free or operation.is_backward):
            operations[trace.row_of(operation)].append(operation)
    of_path = {layer.path: layer for layer in trace.layers}
    calls, fields = calls_of(trace), receptive_fields(trace)
    blocks = _items_of_blocks(calls)
    layers = []
    for index, row in enumerate(table.rows):
        layer, own = of_path.get(row.name), operations[row.name]
        outputs = own[-1].outputs if own and not trace.runs_in_leaf(own[0]) else layer.outputs if layer else ()
        facts = LayerFacts(
            row=row,
            operations=own,
            generating=generating[row.name],
            parameters=layer.parameters if layer else (),
            earlier=table.rows[:index],
            returned=outputs,
            element_bytes=outputs[0].dtype.itemsize if outputs else 0,
            batch=trace.batch,
        )
        items = [*_explain(facts), *blocks.get(row.name, ()), *receptive_field_of(row, fields, trace)]
        layers.append(
            LayerExplanation(
                row,
                tuple(item for item in items if isinstance(item, Derivation)),
                tuple(item for item in items if isinstance(item, Remark)),
            )
        )
    return TraceExplanation(tuple(layers), table, trace.batch, fields.gap, weight_depth(calls))


def _items_of_blocks(calls: Sequence[Call]) -> dict[str, list[Derivation | Remark]]:
    """Return the derivations of each block by the row that joins it; none where a row joins several."""
    blocks = blocks_of(calls)
    times = Counter(block.row for block in blocks)
    return {block.row: list(block_items(block)) for block in blocks if times[block.row] == 1}


def _explain(facts: LayerFacts) -> Iterator[Derivation | Remark]:
    row = facts.row
    yield from _words(facts)
    yield from output_sizes(facts)
    if row.params:
        yield from parameters_of(facts)
    if row.neurons:
        calls = [_of_one_sample(op.outputs[0].shape, facts.batch) for op in facts.operations if op.macs]
        usual = product_of("neurons", o=facts.outputs)
        spread = derive("neurons", "{o}/{samples}", o=row.output_shape or (), samples=facts.batch)
        yield checked("neurons", row.neurons, [usual, spread, *sum_over_calls("neurons", calls)])
    if row.macs:
        yield macs_of(facts)
    if row.flops:
        yield flops_of(facts)
    if row.params:
        yield checked("parameter memory", row.param_bytes, _parameter_memory(facts))
    if row.output_bytes:
        yield checked("output memory", row.output_bytes, _output_memory(facts))


def _of_one_sample(shape: tuple[int, ...], batch: int) -> tuple[int, ...]:
    """Return a product's output for one sample; its rows may be those of all samples."""
    own = per_sample(shape, batch)
    return (own[0] // batch, *own[1:]) if own == shape and own and own[0] % batch == 0 else own


def _parameter_memory(facts: LayerFacts) -> Iterator[Derivation]:
    size = max(parameter.size_bytes // parameter.numel for parameter in facts.parameters if parameter.numel)
    yield product_of("parameter memory", p=facts.row.params, bytes=size)
    stored = {parameter.name: parameter.size_bytes for parameter in facts.parameters}  # with scales, if quantised
    if len(stored) <= MOST_TERMS:
        yield sum_of("parameter memory", **stored)


def _output_memory(facts: LayerFacts) -> Iterator[Derivation]:
    size = facts.element_bytes
    yield product_of("output memory", o=facts.outputs, **facts.repeated(facts.row.output_shape or ()), bytes=size)
    yield from _returned_memory(facts)
    made = [info for op in facts.operations for info in op.outputs]
    yield from sum_over_calls("output memory", [(*info.shape, info.dtype.itemsize) for info in made])


def _returned_memory(facts: LayerFacts) -> Iterator[Derivation]:
    """Yield the sum over the tensors that the layer returned, such as the output and the states of an LSTM."""
    sizes = {f"o{i}": tuple(n for n in info.shape if n > 1) or (1,) for i, info in enumerate(facts.returned, start=1)}
    if 1 < len(sizes) <= MOST_TERMS and len({info.dtype.itemsize for info in facts.returned}) == 1:
        total, calls = " + ".join(f"{{{name}}}" for name in sizes), facts.row.calls
        formula, factor = ("·{calls}", {"calls": calls}) if calls > 1 else ("", {})
        yield derive(
            "output memory", f"({total}){formula}·{{bytes}}", **sizes, **factor, bytes=facts.returned[0].dtype.itemsize
        )


def _words(facts: LayerFacts) -> Iterator[Remark]:
    convolutions = facts.convolutions
    if len(convolutions) == 1:
        yield from _filters(convolutions[0])
    elif convolutions and facts.row.input_shape:
        filters, seen = zip(*((op.inputs[1].shape[0], op.inputs[1].shape[1]) for op in convolutions), strict=True)
        yield Remark("partial", {"filters": filters, "seen": seen, "maps": facts.row.input_shape[1]})
    for product in facts.products if len(facts.products) == facts.row.calls == 1 else ():
        features, rows = product.inputs[-1].shape[1], product.outputs[0].shape[0] // facts.batch
        if facts.row.type == "MultiheadAttention":
            yield Remark("projection", {"inputs": product.inputs[-1].shape[0], "features": features})
        else:
            yield Remark("convolution", {"filters": features, "size": volume_taken(facts, product)})
        if rows > 1:
            yield Remark("positions", {"positions": rows})
    if facts.recurrent is not None:
        yield _recurrent(facts.recurrent)
    if any("adaptive" in op.name for op in facts.operations):
        yield Remark("adaptive", {"size": facts.row.output_shape[2:] if facts.row.output_shape else ()})
    if not facts.operations and facts.row.calls and not facts.row.params:
        yield Remark("idle", {})
    if (convolutions or facts.products) and not facts.row.params:
        yield Remark("foreign", {})


def _filters(convolution: Operation) -> Iterator[Remark]:
    shape, window = convolution.inputs[1].shape, convolution.window
    assert window is not None, "every convolution has one"
    groups, maps = window.groups or 1, convolution.inputs[0].shape[1]
    filters, seen = convolution.outputs[0].shape[1], maps // groups
    yield Remark("filters", {"filters": filters, "size": (*shape[2:], seen)})
    if groups > 1:
        yield Remark("groups", {"groups": groups, "seen": seen, "maps": maps})


def _recurrent(operation: Operation) -> Remark:
    """Return the numbers of layers and directions, and the units of each."""
    assert isinstance(operation.flops, Count), "as in `archbench.trace.costs.recurrent`"
    sizes = operation.flops.values["u"]
    assert isinstance(sizes, tuple), "the cells, and the units of each"
    cells, units = sizes
    state = operation.inputs[2].shape[1]
    directions = operation.outputs[0].shape[-1] // state
    return Remark(
        "recurrent", {"layers": cells // directions, "directions": directions, "units": units, "state": state}
    )
