"""The dispatch mode: each ATen operator that runs becomes an `Operation`.

Knows operators and tensors, and which layer is running as a number; it does not know modules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from archbench.trace import costs
from archbench.trace.backward_origin import NodeOrigins
from archbench.trace.kernel_window import window_of
from archbench.trace.pytree import map_tensors, tensors_in
from archbench.trace.records import Operation, TensorInfo
from archbench.trace.shapes import NOTHING, find_shape_rule
from archbench.trace.storages import StorageLog


class NeedsDataError(Exception):
    """The model cannot run on tensors without data; the message says what asked for a value."""


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch types the base in part
    """Records the operators that run inside it in `operations`.

    `layers` is the stack of layer numbers that the caller keeps; the last one gets the operation. While `is_backward`
    is set and no layer is on the stack, the one that ran the operator in forward gets it; `containers` has for each
    layer itself or, for a leaf, its parent. `strangers` are tensors from outside that would get gradients. With
    `without_data` every tensor that meets one on the meta device is taken there, and so is what is created on any named
    device; otherwise `place` gives real tensors for those that have no data.
    """

    def __init__(self, *, without_data: bool, is_training: bool, place: Callable[[Tensor], Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.operations: list[Operation] = []
        self.layers: list[int] = []
        self.is_backward = False
        self.step = 0
        self.nodes = NodeOrigins()
        self.containers: list[int] = []
        self.strangers: dict[int, Tensor] = {}
        self.storages = StorageLog(lambda: self.step)
        self._stand_ins: dict[int, Tensor] = {}
        self._without_data = without_data
        self._is_training = is_training
        self._place = place

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would wrap __torch_dispatch__ in a guard that imports dynamo: a second of start-up.
        return False

    def next_step(self) -> int:
        """Advance time by one and return it."""
        self.step += 1
        return self.step

    def begin_update(self) -> None:
        """From now on an optimizer runs, on parameters without data, and everything belongs to the model as a whole."""
        self.is_backward = self._is_training = False
        self._without_data = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        operator = _OPERATORS.get(func) or _describe(func)
        origin = self._origin(operator)
        if self._is_training:
            self.nodes.remember(*origin)
        kwargs = kwargs or {}
        if operator.is_composite and not operator.is_free and costs.find_rule(operator.name) is None:
            # Only inference mode lets these through whole; elsewhere torch has taken them apart before.
            with self:
                return func.decompose(*args, **kwargs)
        inputs = _operands(operator, args, kwargs)
        numbers = [self.storages.see(tensor, "buffer") for tensor in inputs]
        on_meta = self._runs_on_meta(operator, inputs, numbers)
        if self._is_training and not self.is_backward:
            self._note_strangers(inputs, numbers)
        is_foreign = any(tensor.is_meta != on_meta for tensor in inputs)
        overwritten = args[0] if is_foreign and operator.mutates else None
        if is_foreign:
            args, kwargs = map_tensors(args, self._stand_in), map_tensors(kwargs, self._stand_in)
            inputs = _operands(operator, args, kwargs)
        if self._without_data and kwargs.get("device") is not None:
            kwargs = {**kwargs, "device": torch.device("meta")}
        out = operator.shape_rule(*args, **kwargs) if on_meta and operator.shape_rule else None
        if out is None:
            out = _run_without_data(func, operator, args, kwargs) if on_meta else func(*args, **kwargs)
        outputs = [out] if isinstance(out, Tensor) else list(tensors_in(out))
        step = self.next_step()
        weights = self._track_weights(operator, numbers, outputs)
        self._record(step, origin, operator, args, kwargs, inputs, weights, out, outputs)
        if self._is_training and operator.mutates:
            self.nodes.expect(*origin)
        if out is NOTHING:
            return None
        return out if overwritten is None else overwritten

    def _runs_on_meta(self, operator: _Operator, inputs: list[Tensor], numbers: list[int]) -> bool:
        """Say whether an operator runs without data.

        It does if any input has none, or if it would change a real tensor that was there before the run; what the
        run itself makes on real memory, a mask or a range, keeps its values.
        """
        if not self._without_data:
            return False
        if any(tensor.is_meta for tensor in inputs):
            return True
        return operator.mutates and not self.storages.was_made_in_run(numbers[0])

    def _stand_in(self, tensor: Tensor) -> Tensor:
        """Return what stands for a tensor that is on the wrong side: real in a run without data, or the reverse."""
        if tensor.is_meta == self._without_data:
            return tensor
        if self._without_data:
            return to_meta(tensor)
        number = self.storages.see(tensor, "buffer")
        if number not in self._stand_ins:
            self._stand_ins[number] = self._place(tensor)
        return self._stand_ins[number].view(tensor.shape)

    def _record(
        self,
        step: int,
        origin: tuple[int, str],
        operator: _Operator,
        args: Any,
        kwargs: Any,
        inputs: list[Tensor],
        weights: tuple[int, ...],
        out: Any,
        outputs: list[Tensor],
    ) -> None:
        read = tuple(map(tensor_info, inputs))
        written = tuple(map(tensor_info, outputs))
        macs = flops = read_bytes = written_bytes = 0
        rule = costs.find_rule(operator.name)
        if not operator.is_free:
            written_bytes = sum(info.size_bytes for info in written) + _bytes_written_to_lists(operator, args)
            read_bytes = sum(info.size_bytes for info in read[operator.overwrites :])
            if rule is not None:
                options = {key: kwargs[key] for key in kwargs if key not in operator.out_arguments}
                cost = rule.formula(*args, out=out, **options)
                macs, flops = cost.macs, cost.flops
                read_bytes = read_bytes if cost.read_bytes is None else cost.read_bytes
        self.operations.append(
            Operation(
                name=operator.name,
                origin=origin[1],
                layer=origin[0],
                step=step,
                is_backward=self.is_backward,
                inputs=read,
                outputs=written,
                window=window_of(operator.name, args),
                weights=weights,
                is_free=operator.is_free,
                counted=operator.is_free or rule is not None,
                macs=macs,
                flops=flops,
                read_bytes=read_bytes,
                written_bytes=written_bytes,
            )
        )

    def _origin(self, operator: _Operator) -> tuple[int, str]:
        """Return the layer and the forward operator that an operator running now belongs to."""
        if self.layers:
            # Also in backward: a checkpointed module runs its forward again there.
            return self.layers[-1], operator.name
        found = self.nodes.current() if self.is_backward else None
        if found is None:
            return 0, operator.name
        layer, origin = found
        # What a checkpoint computes again outside any module ran in the one that called it, not in a leaf beside it.
        return (layer, origin) if origin else (self.containers[layer], operator.name)

    def _note_strangers(self, inputs: list[Tensor], numbers: list[int]) -> None:
        """Note tensors that would get a gradient though they are neither the model's nor its inputs."""
        for tensor, number in zip(inputs, numbers, strict=True):
            if tensor.requires_grad and tensor.is_leaf and self.storages.is_foreign(number):
                self.strangers[id(tensor)] = tensor

    def _track_weights(self, operator: _Operator, numbers: list[int], outputs: list[Tensor]) -> tuple[int, ...]:
        """Return each input's storage number if it is a weight, else 0; numbers here start at 1.

        What is computed from weights alone is a weight too; one that data is written into is none any more.
        """
        storages = self.storages
        for number in numbers:
            storages.mark_read(number)
        weights = tuple(number + 1 if storages.is_weight(number) else 0 for number in numbers)
        from_weights_alone = bool(weights) and all(weights)
        for tensor in outputs:
            number = storages.see(tensor, "activation")
            if from_weights_alone or not operator.is_free:
                storages.set_weight(number, from_weights_alone)
        return weights


@dataclass(frozen=True, slots=True)
class _Operator:
    """What is known of an overload before it is called."""

    name: str
    shape_rule: Callable[..., Any] | None
    is_free: bool
    is_composite: bool
    mutates: bool
    overwrites: int
    out_arguments: frozenset[str]
    written_lists: tuple[int, ...]


_OPERATORS: dict[Any, _Operator] = {}


def _describe(func: Any) -> _Operator:
    name = func._schema.name.replace("::", ".")
    operator = _Operator(
        name=name,
        shape_rule=find_shape_rule(str(func)),
        is_free=name in costs.FREE or name.startswith("profiler.") or costs.is_view(func._schema),
        is_composite=func.has_kernel_for_dispatch_key(torch._C.DispatchKey.CompositeImplicitAutograd),
        mutates=_mutates_first(func._schema),
        overwrites=1 if name in costs.OVERWRITING else 0,
        out_arguments=frozenset(a.name for a in func._schema.arguments if a.is_out),
        written_lists=_written_lists(func._schema),
    )
    _OPERATORS[func] = operator
    return operator


def _written_lists(schema: torch._C.FunctionSchema) -> tuple[int, ...]:
    """Return the places of the lists of tensors that an operator without results writes to.

    Of an optimizer's fused operator the gradients are none: only a gradient scaler, not used here, writes to them.
    """
    if schema.returns:
        return ()
    return tuple(
        i
        for i, argument in enumerate(schema.arguments)
        if str(argument.type) == "List[Tensor]" and argument.name != "grads" and _is_written(argument)
    )


def _is_written(argument: torch._C.Argument) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _bytes_written_to_lists(operator: _Operator, args: Any) -> int:
    return sum(tensor_info(tensor).size_bytes for i in operator.written_lists for tensor in args[i])


def _mutates_first(schema: torch._C.FunctionSchema) -> bool:
    first = schema.arguments[0] if schema.arguments else None
    return first is not None and str(first.type) == "Tensor" and _is_written(first)


def tensor_info(tensor: Tensor) -> TensorInfo:
    """Return the record of a tensor."""
    shape = tuple(tensor.shape)
    elements = tensor.numel()
    if not tensor.is_contiguous():
        # A dimension of stride 0 is expanded: its elements are stored once.
        elements = prod(n for n, stride in zip(shape, tensor.stride(), strict=True) if stride)
    return TensorInfo(shape, tensor.dtype, elements * tensor.element_size())


def to_meta(tensor: Tensor) -> Tensor:
    """Return a tensor of the same shape, strides and dtype that has no data."""
    if (tensor.is_meta and not tensor.is_inference()) or tensor.layout is not torch.strided:
        return tensor
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _operands(operator: _Operator, args: Any, kwargs: dict[str, Any]) -> list[Tensor]:
    """Return the tensors that an operator takes, those in lists too, but not those it only writes to."""
    found: list[Tensor] = []
    for value in args:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(item for item in value if isinstance(item, Tensor))
    for name, value in kwargs.items():
        if isinstance(value, Tensor) and name not in operator.out_arguments:
            found.append(value)
    return found


def _run_without_data(func: Any, operator: _Operator, args: Any, kwargs: Any) -> Any:
    if operator.name == "aten._local_scalar_dense":
        raise NeedsDataError("it reads the value of a tensor")
    try:
        return func(*args, **kwargs)
    except NotImplementedError as error:
        raise NeedsDataError(f"{operator.name} has no kernel for tensors without data") from error
