"""Each figure of a layer derived from the layer's own numbers, as a lecturer would write it on the board.

A derivation is data: a formula, the values put into it, the result. Every result is held against the figure of the
layer table; one that differs is not handed out, and a remark stands in its place. Counts are for the whole batch,
neurons per sample, as in `archbench.analyze.layers`; a factor for batch or calls appears only where it is not 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any, Literal

from archbench.analyze.layers import LayerRow, LayerTable, layer_table
from archbench.analyze.receptive_field import Field, Gap, ReceptiveFields, Step, receptive_fields
from archbench.trace.costs import find_rule
from archbench.trace.records import Operation, Parameter, Trace, Window

Value = int | Fraction | tuple[int, ...]
_DIMENSIONS = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
_NORMS = ("aten.native_batch_norm", "aten.native_layer_norm", "aten.native_group_norm")
_MOST_TERMS = 6


@dataclass(frozen=True, slots=True)
class Derivation:
    """`symbol` = `formula` = `result`. The formula names its values in braces; a tuple stands for a product."""

    symbol: str
    formula: str
    values: Mapping[str, Value]
    result: int | Fraction


@dataclass(frozen=True, slots=True)
class Remark:
    """What is said in words about a layer; `values` are the numbers and names in it."""

    kind: Literal[
        "filters", "groups", "partial", "convolution", "positions", "adaptive", "covers", "idle", "foreign", "unlike"
    ]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LayerExplanation:
    """A row of the layer table, what is derived of it, and what is said about it."""

    row: LayerRow
    derivations: tuple[Derivation, ...]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A model's layers in order of first execution, the layer table, and why receptive fields end, if they do."""

    layers: tuple[LayerExplanation, ...]
    table: LayerTable
    batch: int
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class _Case:
    """A row with what it was made from: the operators that computed something, its own parameters, the rows before."""

    row: LayerRow
    operations: Sequence[Operation]
    parameters: Sequence[Parameter]
    earlier: Sequence[LayerRow]
    element_bytes: int
    batch: int

    @property
    def one_call(self) -> Sequence[Operation]:
        """The operators of its first call."""
        return self.operations[: len(self.operations) // max(self.row.calls, 1)]

    @property
    def convolutions(self) -> list[Operation]:
        return [op for op in self.one_call if op.name == "aten.convolution"]

    @property
    def products(self) -> list[Operation]:
        """Matrix products with weights, as they are in a linear layer."""
        return [op for op in self.one_call if op.name in ("aten.mm", "aten.addmm") and op.weights[-1]]

    @property
    def pooling(self) -> Operation | None:
        """The pooling operator that slides over positions, not over maps as in response normalisation."""
        found = [op for op in self.one_call if op.window is not None and op.name != "aten.convolution"]
        return found[0] if len(found) == 1 and self.row.type != "LocalResponseNorm" else None

    @property
    def outputs(self) -> tuple[int, ...]:
        """The sizes of its output for one sample."""
        return _per_sample(self.row.output_shape or (), self.batch)

    def repeated(self, shape: Sequence[int]) -> dict[str, int]:
        """Return the factors by which a figure of one sample, from a tensor of `shape`, and one call is multiplied."""
        samples = self.batch if len(shape) > 1 and shape[0] == self.batch else 1
        return {name: n for name, n in (("samples", samples), ("calls", self.row.calls)) if n > 1}


def explain(trace: Trace) -> Explanation:
    """Return the working of every figure that follows a formula, for each row of a trace's layer table."""
    table = layer_table(trace)
    operations: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in trace.operations:
        if not (operation.is_free or operation.is_backward):
            operations[trace.row_of(operation)].append(operation)
    of_path = {layer.path: layer for layer in trace.layers}
    fields = receptive_fields(trace)
    layers = []
    for index, row in enumerate(table.rows):
        layer, own = of_path.get(row.name), operations[row.name]
        outputs = layer.outputs if layer else own[-1].outputs if own else ()
        case = _Case(
            row=row,
            operations=own,
            parameters=layer.parameters if layer else (),
            earlier=table.rows[:index],
            element_bytes=outputs[0].dtype.itemsize if outputs else 0,
            batch=trace.batch,
        )
        found = [*_explain(case), *_field(row, fields, trace)]
        layers.append(
            LayerExplanation(
                row,
                tuple(item for item in found if isinstance(item, Derivation)),
                tuple(item for item in found if isinstance(item, Remark)),
            )
        )
    return Explanation(tuple(layers), table, trace.batch, fields.gap)


def derive(symbol: str, formula: str, compute: Callable[..., Any], **values: Value) -> Derivation:
    """Return a derivation whose result `compute` makes of the values, each tuple of which is multiplied first."""
    numbers = {name: prod(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return Derivation(symbol, formula, values, compute(**numbers))


def _product(symbol: str, **values: Value) -> Derivation:
    return derive(
        symbol, "·".join(f"{{{name}}}" for name in values), lambda **numbers: prod(numbers.values()), **values
    )


def _sum(symbol: str, **values: Value) -> Derivation:
    return derive(
        symbol, " + ".join(f"{{{name}}}" for name in values), lambda **numbers: sum(numbers.values()), **values
    )


def _checked(symbol: str, traced: int, candidates: Iterable[Derivation]) -> Derivation | Remark:
    """Return the first derivation that gives the traced figure, else a remark that none does."""
    fitting = (candidate for candidate in candidates if candidate.result == traced)
    return next(fitting, Remark("unlike", {"quantity": symbol, "traced": traced}))


def _per_sample(shape: tuple[int, ...], batch: int) -> tuple[int, ...]:
    return shape[1:] if len(shape) > 1 and shape[0] == batch else shape


def _explain(case: _Case) -> Iterator[Derivation | Remark]:
    row = case.row
    yield from _words(case)
    yield from _sizes(case)
    if row.params:
        yield from _parameters(case)
    if row.neurons:
        calls = [_per_sample(op.outputs[0].shape, case.batch) for op in case.operations if op.macs]
        usual = _product("neurons", o=case.outputs)
        spread = derive(
            "neurons",
            "{o}/{samples}",
            lambda o, samples: Fraction(o, samples),
            o=row.output_shape or (),
            samples=case.batch,
        )
        yield _checked("neurons", row.neurons, [usual, spread, *_over_calls("neurons", calls)])
    if row.macs:
        yield _checked("MACs", row.macs, _macs(case))
    if row.flops:
        yield _checked("FLOPs", row.flops, _flops(case))
    if row.params:
        size = max(parameter.size_bytes // parameter.numel for parameter in case.parameters if parameter.numel)
        yield _checked("parameter memory", row.param_bytes, [_product("parameter memory", p=row.params, bytes=size)])
    if row.output_bytes:
        yield _checked("output memory", row.output_bytes, _output_memory(case))


def _output_memory(case: _Case) -> Iterator[Derivation]:
    size = case.element_bytes
    yield _product("output memory", o=case.outputs, **case.repeated(case.row.output_shape or ()), bytes=size)
    made = [info for op in case.operations for info in op.outputs]
    yield from _over_calls("output memory", [(*info.shape, info.dtype.itemsize) for info in made])


def _over_calls(symbol: str, shapes: Sequence[tuple[int, ...]]) -> Iterator[Derivation]:
    """Return a sum of products, one a call, if it is a readable one; a batch of one is no factor."""
    if len(shapes) <= _MOST_TERMS:
        terms = (shape[1:] if len(shape) > 1 and shape[0] == 1 else shape for shape in shapes)
        yield _sum(symbol, **{f"o{i}": term for i, term in enumerate(terms, start=1)})


def _words(case: _Case) -> Iterator[Remark]:
    convolutions = case.convolutions
    if len(convolutions) == 1:
        yield from _filters(convolutions[0])
    elif convolutions and case.row.input_shape:
        filters, seen = zip(*((op.inputs[1].shape[0], op.inputs[1].shape[1]) for op in convolutions), strict=True)
        yield Remark("partial", {"filters": filters, "seen": seen, "maps": case.row.input_shape[1]})
    for product in case.products if len(case.products) == case.row.calls == 1 else ():
        features, rows = product.inputs[-1].shape[1], product.outputs[0].shape[0] // case.batch
        yield Remark("convolution", {"filters": features, "size": _volume(case, product)})
        if rows > 1:
            yield Remark("positions", {"positions": rows})
    if any("adaptive" in op.name for op in case.operations):
        yield Remark("adaptive", {"size": case.row.output_shape[2:] if case.row.output_shape else ()})
    if not case.operations and case.row.calls and not case.row.params:
        yield Remark("idle", {})
    if (convolutions or case.products) and not case.row.params:
        yield Remark("foreign", {})


def _filters(convolution: Operation) -> Iterator[Remark]:
    shape, window = convolution.inputs[1].shape, convolution.window
    assert window is not None, "every convolution has one"
    groups, maps = window.groups or 1, convolution.inputs[0].shape[1]
    filters, seen = convolution.outputs[0].shape[1], maps // groups
    yield Remark("filters", {"filters": filters, "size": (*shape[2:], seen)})
    if groups > 1:
        yield Remark("groups", {"groups": groups, "seen": seen, "maps": maps})


def _volume(case: _Case, product: Operation) -> tuple[int, ...]:
    """Return height × width × maps of what a linear layer takes: the volume that was flattened, else 1×1×features."""
    features = product.inputs[-1].shape[0]
    if product.outputs[0].shape[0] == case.batch:
        for row in reversed(case.earlier):
            shape = _per_sample(row.output_shape or (), case.batch)
            if prod(shape) != features:
                break
            if len(shape) > 1:
                return (*shape[1:], shape[0])
    return (1, 1, features)


def _sizes(case: _Case) -> Iterator[Derivation | Remark]:
    sliding = case.convolutions[0] if case.convolutions else case.pooling
    shape = case.row.output_shape
    if sliding is None or sliding.window is None or shape is None:
        return
    # torch's pooling of one dimension runs in two, of which the first has size one.
    rank = min(len(sliding.window.kernel), len(shape) - 2)
    for place in reversed(range(-rank, 0)):
        symbol = f"output {_DIMENSIONS[rank][place]}"
        yield _checked(symbol, shape[place], [_size(symbol, sliding.window, sliding.inputs[0].shape[place], place)])


def _size(symbol: str, window: Window, n: int, place: int) -> Derivation:
    """Return the size of an output along one dimension; dilation is in the formula only where there is some."""
    values = {"n": n, "k": window.kernel[place], "p": window.padding[place], "s": window.stride[place]}
    dilation = window.dilation[place]
    span, d = ("{k}", 1) if dilation == 1 else ("({d}·({k} − 1) + 1)", dilation)
    if dilation > 1:
        values["d"] = dilation
    if window.output_padding is not None:
        values["q"] = window.output_padding[place]
        formula = f"({{n}} − 1)·{{s}} − 2·{{p}} + {span} + {{q}}"
        return derive(symbol, formula, lambda n, k, p, s, q, **_: (n - 1) * s - 2 * p + d * (k - 1) + 1 + q, **values)
    room = n + 2 * values["p"] - d * (values["k"] - 1) - 1
    if not window.rounds_up:
        return derive(symbol, f"⌊({{n}} − {span} + 2·{{p}})/{{s}}⌋ + 1", lambda s, **_: room // s + 1, **values)
    size = -(-room // values["s"]) + 1
    # A window that would begin in the padding behind the input is left out.
    if (size - 1) * values["s"] >= n + values["p"]:
        return derive(symbol, f"⌈({{n}} − {span} + 2·{{p}})/{{s}}⌉", lambda **_: size - 1, **values)
    return derive(symbol, f"⌈({{n}} − {span} + 2·{{p}})/{{s}}⌉ + 1", lambda **_: size, **values)


def _parameters(case: _Case) -> Iterator[Derivation | Remark]:
    weights, biases = _weights(case), sum(_bias(op) for op in (*case.convolutions, *case.products))
    if weights is not None and weights.result + biases == case.row.params:
        yield weights
        if biases:
            yield _sum("parameters", weights=int(weights.result), biases=biases)
        return
    is_norm = any(op.name in _NORMS for op in case.operations)
    names = {"weight": "scales", "bias": "shifts"} if is_norm else {"weight": "weights", "bias": "biases"}
    own = {names.get(parameter.name, parameter.name): parameter.numel for parameter in case.parameters}
    yield _checked("parameters", case.row.params, [_sum("parameters", **own)] if len(own) <= _MOST_TERMS else [])


def _weights(case: _Case) -> Derivation | None:
    """Return how many weights the convolutions or the one product of a call have."""
    shapes = [op.inputs[1].shape for op in case.convolutions]
    if len(shapes) == 1:
        return _product("weights", k=shapes[0][2:], c=shapes[0][1], f=shapes[0][0])
    if shapes:
        return next(_over_calls("weights", [(*shape[2:], *shape[1::-1]) for shape in shapes]), None)
    if len(case.products) != 1:
        return None
    *kernel, maps = _volume(case, case.products[0])
    filters = case.products[0].inputs[-1].shape[1]
    window = {"k": tuple(kernel)} if prod(kernel) > 1 else {}
    return _product("weights", **window, c=maps, f=filters)


def _bias(operation: Operation) -> int:
    """Return how many biases a convolution or product adds."""
    place = 2 if operation.name == "aten.convolution" else 0
    has_one = len(operation.inputs) == 3 and operation.weights[place]
    return prod(operation.inputs[place].shape) if has_one else 0


def _macs(case: _Case) -> Iterator[Derivation]:
    weights = _weights(case)
    if weights is not None:
        factors = _work(case, int(weights.result))
        # Where each weight is used once, the MACs are the weights.
        yield _product("MACs", **factors) if len(factors) > 1 else replace(weights, symbol="MACs")
    products = [op for op in case.operations if op.macs]
    yield from _over_calls("MACs", [(*op.outputs[0].shape, op.macs // prod(op.outputs[0].shape)) for op in products])


def _work(case: _Case, weights: int) -> dict[str, Value]:
    """Return the factors of the MACs: the weights, and how often each is used."""
    if not case.convolutions:
        product = case.products[0]
        rows = product.outputs[0].shape[0] // case.batch
        positions = {"positions": rows} if rows > 1 else {}
        return {"w": weights, **positions, **case.repeated((case.batch, rows))}
    first = case.convolutions[0]
    transposed = first.window is not None and first.window.output_padding is not None
    shape = first.inputs[0].shape if transposed else first.outputs[0].shape
    return {"w": weights, "o": tuple(shape[2:]), **case.repeated(shape)}


def _flops(case: _Case) -> Iterator[Derivation]:
    row, outputs = case.row, case.outputs
    factors = case.repeated(row.output_shape or ())
    if row.macs:
        additions = sum(prod(op.outputs[0].shape) for op in case.operations if _bias(op))
        doubled = {"m": row.macs, "additions": additions}
        if additions:
            yield derive("FLOPs", "2·{m} + {additions}", lambda m, additions: 2 * m + additions, **doubled)
        else:
            yield derive("FLOPs", "2·{m}", lambda m: 2 * m, m=row.macs)
    elif row.type == "LocalResponseNorm":
        window = next(op.window for op in case.operations if op.window is not None)
        yield _times("({n} + 5)", lambda n: n + 5, outputs, factors, n=window.kernel[0])
    elif case.pooling is not None and case.pooling.window is not None:
        yield from _pooling_flops(case, case.pooling.window)
    elif all(_is_elementwise(op) for op in case.operations):
        each = row.flops // max(prod(outputs) * prod(factors.values()), 1)
        yield _product("FLOPs", **({"operations": each} if each > 1 else {}), o=outputs, **factors)
    else:
        yield from _norm_flops(case)
    yield from _flops_by_operator(case)


def _times(
    each: str, compute: Callable[..., int], outputs: tuple[int, ...], factors: dict[str, int], **values: Value
) -> Derivation:
    """Return FLOPs of so many for each output."""
    rest = "·".join(["{o}", *(f"{{{name}}}" for name in factors)])

    def all_of_them(o: int, **numbers: int) -> int:
        own = {name: number for name, number in numbers.items() if name not in factors}
        return compute(**own) * o * prod(factors.values())

    return derive("FLOPs", f"{each}·{rest}", all_of_them, **values, o=outputs, **factors)


def _pooling_flops(case: _Case, window: Window) -> Iterator[Derivation]:
    """A maximum compares k - 1 times, a mean adds and divides k times; more follows in a trainable subsampling."""
    factors, kernel = case.repeated(case.row.output_shape or ()), window.kernel[-(len(case.outputs) - 1) :]
    if case.pooling is not None and "max" in case.pooling.name:
        yield _times("({k} − 1)", lambda k: k - 1, case.outputs, factors, k=kernel)
    more = sum(_is_elementwise(op) for op in case.one_call)
    if more:
        yield _times("({k} + {m})", lambda k, m: k + m, case.outputs, factors, k=kernel, m=more)
    yield _times("{k}", lambda k: k, case.outputs, factors, k=kernel)


def _norm_flops(case: _Case) -> Iterator[Derivation]:
    """Return normalisation, softmax and reduction by the rules of `archbench costs`, which are stated per call."""
    first = next((op for op in case.operations if op.name in _NORMS), case.operations[0])
    shape = first.inputs[0].shape
    elements = shape if case.batch > 1 else _per_sample(shape, case.batch)
    affine = len(case.parameters)
    if first.name == "aten.native_batch_norm":
        # Statistics of the input itself, as in instance normalisation, cost 4 an element more.
        for each in (2, 6):
            values: dict[str, Value] = {"e": each, "o": elements, "a": 3 + affine, "c": shape[1]}
            yield derive("FLOPs", "{e}·{o} + {a}·{c}", lambda e, o, a, c: e * o + a * c, **values)
    elif first.name in _NORMS:
        values = {"a": 6 + affine, "o": elements, "g": prod(first.outputs[1].shape)}
        yield derive("FLOPs", "{a}·{o} + 2·{g}", lambda a, o, g: a * o + 2 * g, **values)
    elif "softmax" in first.name:
        for size in (shape[-1], shape[1 % len(shape)]):
            values = {"o": elements, "a": 1 if "log" in first.name else 2, "r": prod(shape) // size}
            yield derive("FLOPs", "5·{o} − {a}·{r}", lambda o, a, r: 5 * o - a * r, **values)
    else:
        # A mean over positions, or adaptive pooling that divides evenly: every input is met once.
        yield _product("FLOPs", i=elements)
        values = {"i": elements, "o": tuple(first.outputs[0].shape)}
        yield derive("FLOPs", "{i} − {o}", lambda i, o: i - o, **values)


def _flops_by_operator(case: _Case) -> Iterator[Derivation]:
    """What follows no formula of its kind is the sum of what its calls or its operators cost."""
    each = [divmod(op.flops, max(prod(op.outputs[0].shape), 1)) for op in case.operations]
    if len({op.name for op in case.operations}) == 1 and not any(rest for _, rest in each):
        sizes = [op.outputs[0].shape for op in case.operations]
        yield from _over_calls(
            "FLOPs", [(*size, rate) if rate > 1 else size for size, (rate, _) in zip(sizes, each, strict=True)]
        )
    sums: defaultdict[str, int] = defaultdict(int)
    for operation in case.operations:
        if operation.flops:
            sums[operation.name.rpartition(".")[2].strip("_")] += operation.flops
    if 1 < len(sums) <= _MOST_TERMS:
        yield _sum("FLOPs", **sums)


def _is_elementwise(operation: Operation) -> bool:
    rule = find_rule(operation.name)
    return rule is not None and rule.is_elementwise


def _field(row: LayerRow, fields: ReceptiveFields, trace: Trace) -> Iterator[Derivation | Remark]:
    step = fields.steps.get(row.name)
    if step is None or row.calls != 1:
        return
    rank = len(step.after.size)
    along = [_field_along(step, place) for place in reversed(range(rank))]
    for alike in zip(*along, strict=True):
        if all(one == alike[0] for one in alike):
            yield alike[0]
        else:
            names = reversed(_DIMENSIONS[rank])
            yield from (replace(one, symbol=f"{one.symbol}, {name}") for one, name in zip(alike, names, strict=True))
    there = trace.inputs[0].shape[-rank:]
    made = (row.output_shape or ())[2:] or (1,) * rank
    if all(_covers(step.after, place, made[place], there[place]) for place in range(rank)):
        yield Remark("covers", {"field": step.after.size, "input": there})


def _covers(field: Field, place: int, units: int, inputs: int) -> bool:
    """Say whether the first unit and the last see all inputs along a dimension."""
    begin = field.centre[place] - Fraction(field.size[place] - 1, 2)
    return begin + (units - 1) * field.stride[place] <= 0 and begin + field.size[place] >= inputs


def _field_along(step: Step, place: int) -> tuple[Derivation, ...]:
    before, window = step.before, step.window
    k, j, p, d = window.kernel[place], before.stride[place], window.padding[place], window.dilation[place]
    dilated, factor = ({"d": d}, "{d}·") if d > 1 else ({}, "")
    size = derive(
        "receptive field",
        f"{{r}} + {factor}({{k}} − 1)·{{j}}",
        lambda r, k, j, **_: r + d * (k - 1) * j,
        **{"r": before.size[place], **dilated, "k": k, "j": j},
    )
    stride = _product("receptive field stride", s=window.stride[place], j=j)
    centre = derive(
        "receptive field centre",
        f"{{a}} + ({factor}({{k}} − 1)/2 − {{p}})·{{j}}",
        lambda a, k, p, j, **_: a + (Fraction(d * (k - 1), 2) - p) * j,
        a=before.centre[place],
        **dilated,
        **{"k": k, "p": p, "j": j},
    )
    results = (step.after.size[place], step.after.stride[place], step.after.centre[place])
    assert (size.result, stride.result, centre.result) == results, "both follow one rule"
    return size, stride, centre
