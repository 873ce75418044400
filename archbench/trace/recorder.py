"""The dispatch mode that records each ATen operator as an `Operation`.

It handles operators and tensors. Modules are known to it by their numbers only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from archbench.trace import costs
from archbench.trace.backward_origin import NodeOrigins, Origin
from archbench.trace.kernel_window import window_of
from archbench.trace.operators import OPERATORS, Operator, describe, operands
from archbench.trace.pytree import map_tensors, tensors_in
from archbench.trace.records import Operation, OtherWeight, TensorInfo
from archbench.trace.shapes import NOTHING
from archbench.trace.storages import StorageLog
from archbench.trace.stored_tensors import packed_values, script_objects
from archbench.trace.tensor_records import tensor_info
from archbench.trace.values import NeedsDataError, has_values, indices_of_masks, is_large, is_moved, to_meta


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch types the base class partly
    """Records the operators that run inside it in `operations`.

    `layers` is a stack of layer numbers that the caller maintains; an operation belongs to the last. While
    `is_backward` is set and the stack is empty, it belongs to the layer that ran the operator in forward. `containers`
    has for each layer its own number or, for a leaf, its parent's. `external_tensors` are neither parameters nor inputs
    and would get gradients; `other_weights` are the buffers that products multiply by, and packed weights. With
    `without_data` tensors that meet one on the meta device are replaced by meta tensors, and large results are made
    there; otherwise `place` returns real tensors for those that have no data.
    """

    def __init__(self, *, without_data: bool, is_training: bool, place: Callable[[Tensor], Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.operations: list[Operation] = []
        self.layers: list[int] = []
        self.is_backward = False
        self.step = 0
        self.nodes = NodeOrigins()
        self.containers: list[int] = []
        self.external_tensors: dict[int, Tensor] = {}
        self.storages = StorageLog(lambda: self.step)
        self.other_weights: dict[tuple[str, int], OtherWeight] = {}
        self._stand_ins: dict[int, Tensor] = {}
        self._unknown: set[int] = set()  # storages of real tensors that an operator without data wrote to
        self._without_data = without_data
        self._is_training = is_training
        self._place = place

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch wraps __torch_dispatch__ in a guard that imports dynamo, a second of start-up.
        return False

    def next_step(self) -> int:
        """Advance time by one and return it."""
        self.step += 1
        return self.step

    def begin_update(self) -> None:
        """Prepare for an optimizer step on meta tensors, whose operators belong to the root module."""
        self.is_backward = self._is_training = False
        self._without_data = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if types and _dispatches(types):  # to the operators of a tensor subclass, which are recorded instead
            return NotImplemented
        operator = OPERATORS.get(func) or describe(func)
        if operator.name == "aten._convolution":  # TorchScript's, which has three more arguments
            func, args = torch.ops.aten.convolution.default, args[:9]
            operator = OPERATORS.get(func) or describe(func)
        origin = self._origin(operator)
        if self._is_training:
            self.nodes.remember(origin)
        kwargs = kwargs or {}
        if operator.is_composite and not operator.is_free and costs.find_rule(operator.name) is None:
            # These arrive whole in inference mode only; otherwise torch has decomposed them already.
            with self:
                return func.decompose(*args, **kwargs)
        inputs = operands(operator, args, kwargs)
        numbers = [self.storages.see(tensor, "buffer") for tensor in inputs]
        on_meta = self._runs_on_meta(operator, inputs, numbers)
        if self._is_training and not self.is_backward:
            self._note_external_tensors(inputs, numbers)
        is_mixed = not operator.reads_lengths and any(tensor.is_meta != on_meta for tensor in inputs)
        overwritten = args[0] if is_mixed and operator.mutates else None
        masks = None
        if is_mixed:
            if overwritten is not None and not overwritten.is_meta:
                self._unknown.add(numbers[0])
            if on_meta and operator.name == "aten.index" and self._unknown.isdisjoint(numbers):
                masks = indices_of_masks(args[1])
            args, kwargs = map_tensors(args, self._stand_in), map_tensors(kwargs, self._stand_in)
            inputs = operands(operator, args, kwargs)
        if self._without_data and kwargs.get("device") is not None:
            if not on_meta and operator.name == "aten._to_copy" and is_moved(args[0], kwargs):
                return args[0]
            kwargs = {**kwargs, "device": _CPU if inputs and not on_meta else _META}
        out = operator.shape_rule(*args, **kwargs) if on_meta and operator.shape_rule else None
        if out is None and on_meta:
            out = _run_without_data(func, operator, args if masks is None else (args[0], masks), kwargs)
        elif out is None:
            out = func(*args, **kwargs)
            if self._without_data:
                out = self._with_values(func, operator, args, kwargs, out)
        outputs = [out] if isinstance(out, Tensor) else list(tensors_in(out))
        step = self.next_step()
        weights, written = self._track_contents(step, operator, numbers, outputs)
        self._record(step, origin, operator, args, kwargs, inputs, weights, out, outputs, (tuple(numbers), written))
        if self._is_training and operator.mutates:
            self.nodes.expect(origin)
        if out is NOTHING:
            return None
        return out if overwritten is None else overwritten

    def _runs_on_meta(self, operator: Operator, inputs: list[Tensor], numbers: list[int]) -> bool:
        """Return whether an operator runs without data.

        It does if any input has none, if an operator without data wrote to one, if it would change a real tensor of
        the user's, or if the result would be large. Other tensors keep their values, which a view need not know.
        """
        if not self._without_data:
            return False
        if any(not tensor.is_cpu for tensor in inputs):
            return True
        if not inputs or operator.is_view:
            return False
        if self._unknown and not self._unknown.isdisjoint(numbers):
            return True
        return is_large(inputs) or (operator.mutates and not self.storages.is_own(numbers[0]))

    def _with_values(self, func: Any, operator: Operator, args: Any, kwargs: dict[str, Any], out: Any) -> Any:
        """Return the result of an operator on real tensors: with its values if it is small or not new, else on meta.

        An operator without inputs ran on the meta device if it was given a device; some results are made again with
        values.
        """
        if operator.is_view or operator.mutates or not isinstance(out, Tensor):
            return out
        is_zeros = operator.name == "aten.full" and not args[1]  # of which padded sequences are made
        name = "aten.zeros" if is_zeros else operator.name
        keeps_values = has_values(name, out, is_backward=self.is_backward)
        if out.is_meta:
            return func(*args, **{**kwargs, "device": _CPU}) if keeps_values else out
        return out if keeps_values else to_meta(out)

    def _stand_in(self, tensor: Tensor) -> Tensor:
        """Return the replacement of a tensor on the wrong device: a real one in a run without data, or the reverse."""
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
        origin: Origin,
        operator: Operator,
        args: Any,
        kwargs: Any,
        inputs: list[Tensor],
        weights: tuple[int, ...],
        out: Any,
        outputs: list[Tensor],
        storages: tuple[tuple[int, ...], tuple[int, ...]],
    ) -> None:
        read = tuple(map(tensor_info, inputs))
        written = tuple(map(tensor_info, outputs))
        macs = flops = recomputed_macs = read_bytes = written_bytes = 0
        rule = costs.find_rule(operator.name)
        if not operator.is_free:
            written_bytes = sum(info.size_bytes for info in written) + _bytes_written_to_lists(operator, args)
            read_bytes = sum(info.size_bytes for info in read[operator.overwrites :])
            if rule is not None:
                options = {key: kwargs[key] for key in kwargs if key not in operator.out_arguments}
                cost = rule.formula(*args, out=out, **options)
                macs, flops, recomputed_macs = cost.macs, cost.flops, cost.recomputed_macs
                if macs and not origin.owners and origin.operator == operator.origin:
                    origin.owners = self._owners(operator, weights)
                    if not origin.owners:
                        self._note_buffers(operator, origin.layer, weights, read)
                if operator.is_quantized:
                    self._note_packed_weights(origin.layer, args)
                read_bytes = read_bytes if cost.read_bytes is None else cost.read_bytes
        self.operations.append(
            Operation(
                name=operator.name,
                origin=origin.operator,
                layer=origin.layer,
                owners=origin.owners,
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
                recomputed_macs=recomputed_macs,
                input_storages=storages[0],
                output_storages=storages[1],
            )
        )

    def _origin(self, operator: Operator) -> Origin:
        """Return the layer and the forward operator that the current operator belongs to."""
        if self.layers:
            # Also in backward: a checkpointed module runs its forward again there.
            return Origin(self.layers[-1], operator.origin)
        node_origin = self.nodes.current() if self.is_backward else None
        if node_origin is None:
            return Origin(0, operator.origin)
        # A checkpoint recomputes operators outside any module: they belong to the module that called it, not to a leaf.
        return node_origin if node_origin.operator else Origin(self.containers[node_origin.layer], operator.origin)

    def _owners(self, operator: Operator, weights: tuple[int, ...]) -> tuple[int, ...]:
        """Return the layers that own what an operator multiplies by; those of a bias come last."""
        if "attention" in operator.name:
            weights = weights[:3]  # query, key and value: the others are added to the scores, or mask them
        bias_first = operator.name.startswith("aten.add")  # addmm and the like
        numbers = [weight - 1 for weight in (reversed(weights) if bias_first else weights) if weight]
        return tuple(dict.fromkeys(owner for number in numbers for owner in self.storages.owners(number)))

    def _note_buffers(
        self, operator: Operator, layer: int, weights: tuple[int, ...], inputs: tuple[TensorInfo, ...]
    ) -> None:
        """Record the buffers that a product multiplies by; what it adds or masks with is left out."""
        if "attention" in operator.name:
            return
        skipped = operator.name in _SUMS
        for info, weight in zip(inputs[skipped:], weights[skipped:], strict=True):
            buffer = self.storages.buffer(weight - 1) if weight else None
            if buffer is not None:
                self.other_weights["buffer", buffer] = OtherWeight(layer, prod(info.shape))

    def _note_packed_weights(self, layer: int, args: Any) -> None:
        for packed in script_objects(args):
            # The hash is that of the C++ object, which each call wraps anew.
            self.other_weights["packed", hash(packed)] = OtherWeight(layer, packed_values(packed))

    def _note_external_tensors(self, inputs: list[Tensor], numbers: list[int]) -> None:
        """Record tensors that would get a gradient but are neither the model's parameters nor its inputs."""
        for tensor, number in zip(inputs, numbers, strict=True):
            if tensor.requires_grad and tensor.is_leaf and self.storages.is_external(number):
                self.external_tensors[id(tensor)] = tensor

    def _track_contents(
        self, step: int, operator: Operator, numbers: list[int], outputs: list[Tensor]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the storage number of each input that is a weight, else 0, and of each output; the former start at 1.

        A tensor computed from weights alone is a weight too; a weight that data is written to no longer is one.
        A tensor computed without inputs, or from such tensors alone, is generated.
        """
        storages = self.storages
        weights = storages.read(numbers, 0 if operator.is_free else step)
        from_weights_alone = bool(weights) and all(weights)
        is_generated = operator.is_generator or all(map(storages.is_generated, numbers))
        if is_generated:
            storages.readers[step] = None
        written = tuple(storages.see(tensor, "activation") for tensor in outputs)
        for number in written:
            if not operator.is_free:
                storages.write(number, step, numbers if from_weights_alone else [], is_generated=is_generated)
            elif from_weights_alone or is_generated:
                storages.mark(number, is_weight=from_weights_alone, is_generated=is_generated)
        return weights, written


_CPU, _META = torch.device("cpu"), torch.device("meta")

# Products whose first input is added to the result.
_SUMS = frozenset(f"aten.{name}" for name in ("addbmm", "addmm", "addmv", "baddbmm"))


@cache
def _dispatches(types: tuple[type, ...]) -> bool:
    """Return whether any of the types is a tensor subclass with a `__torch_dispatch__` of its own."""
    return any(cls.__torch_dispatch__ is not Tensor.__torch_dispatch__ for cls in types)  # type: ignore[attr-defined]  # all are tensors


def _bytes_written_to_lists(operator: Operator, args: Any) -> int:
    return sum(tensor_info(tensor).size_bytes for i in operator.written_lists for tensor in args[i])


def _run_without_data(func: Any, operator: Operator, args: Any, kwargs: Any) -> Any:
    if operator.name == "aten._local_scalar_dense":
        raise NeedsDataError(f"it reads the value of a tensor ({operator.name})")
    try:
        return func(*args, **kwargs)
    except NotImplementedError as error:
        raise NeedsDataError(f"{operator.name} has no kernel for tensors without data") from error
