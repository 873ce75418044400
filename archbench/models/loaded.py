"""A model that is ready to be counted: built or given, with its inputs and its precision."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from archbench.errors import ForwardError, InputError, UsageError, choose
from archbench.models.address import Source, find, own_example
from archbench.models.card import Card
from archbench.models.inputs import InputSpec, advice, shapes_without_batch, specs_of
from archbench.models.user_context import running_user_code
from archbench.precision import Precision, find_precision
from archbench.trace.activation_checkpointing import checkpoint_modules
from archbench.trace.attention import Attention, DeviceKind
from archbench.trace.copying.copier import ObjectCopier
from archbench.trace.copying.model import without_data
from archbench.trace.optimizer_step import Optimizer
from archbench.trace.pytree import tensors_in
from archbench.trace.records import Trace
from archbench.trace.tracer import MOMENTUM, Mode, trace

# A module, or an address such as "vgg16", "torchvision:resnet50" or "net.py:Net".
Model = nn.Module | str
# Tensors as forward takes them, shapes of a sample such as "3x224x224", or None for the model's usual input.
Inputs = Tensor | tuple[Any, ...] | dict[str, Any] | str | Sequence[str] | None

Result = TypeVar("Result")

_LOG = logging.getLogger("archbench")

# Where the modules that `load` returned came from, so that their usual input is still known.
_SOURCES: WeakKeyDictionary[nn.Module, Source] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model, its inputs and the precision it is counted in.

    `name` is the address, or a module's class; `source` is where an address led, None for a module of unknown origin.
    Inputs are either `tensors`, given by the caller, or made for a batch from `specs` or the source's example.
    Attention runs as on a device of `device_kind`, unless `attention` is `fused` or `math`.
    """

    name: str
    model: nn.Module = field(repr=False)
    source: Source | None = field(repr=False)
    specs: Sequence[InputSpec]
    tensors: Any = field(repr=False)
    precision: Precision
    attention: Attention = "auto"
    device_kind: DeviceKind = "cuda"

    @property
    def card(self) -> Card | None:
        """The model's card, None if it has none."""
        return None if self.source is None else self.source.card

    def inputs(self, batch: int) -> Any:
        """Return the inputs of a batch: a tensor, a tuple of positional or a dict of keyword arguments.

        Raises UsageError for a batch that is not a number of samples, or that the caller's own tensors do not have.
        """
        if not isinstance(batch, int) or batch < 1:
            raise UsageError("{batch} is not a whole number from 1", batch=batch)
        if self.tensors is not None:
            _require_batch(self.tensors, batch)
            return self.tensors
        given = tuple(spec.tensor(batch) for spec in self.specs)
        return _in_precision(given or self._example(batch), self.precision)

    def trace(self, batch: int = 1, mode: Mode = "eval", optimizer: Optimizer | None = MOMENTUM) -> Trace:
        """Return the trace of one batch; in training with the optimizer's update."""
        return self.run(
            lambda inputs: trace(
                self.model,
                inputs,
                mode=mode,
                optimizer=optimizer,
                autocast_dtype=self.precision.autocast_dtype,
                attention=self.attention,
                device_kind=self.device_kind,
            ),
            batch,
        )

    def run(self, job: Callable[[Any], Result], batch: int) -> Result:
        """Return what `job` makes of the inputs of a batch.

        Raises ForwardError with advice on inputs that work, InputError for a shape that includes the batch.
        """
        try:
            inputs = self.inputs(batch)
            with running_user_code():
                return job(inputs)
        except ForwardError as error:
            usual = None if self.source is None else self.source.input_shape
            shorter = shapes_without_batch(self.model, self.specs, usual, batch)
            if shorter:
                problem = f"{self.name}: the shape includes the batch; write it without: {{inputs}}"
                raise InputError(problem, inputs=shorter[0] if len(shorter) == 1 else shorter) from error
            if self.source is None:
                raise
            hint = advice(self.model, self.specs, usual)
            advised = ForwardError(f"{self.name}: {error}{f'; {hint}' if hint else ''}")
            advised.has_usual_input = usual is not None
            raise self.source.blame(advised, error.__cause__ or error) from error

    def _example(self, batch: int) -> Any:
        """Return what the user's own `example_inputs` makes."""
        example = _example_of(self.model, self.source)
        assert example is not None, "called only where there is one"
        try:
            with running_user_code():
                return example(batch)
        except (Exception, SystemExit) as error:  # the user's own code may raise anything
            failed = InputError(f"{self.name}: example_inputs({batch}) fails: {type(error).__name__}: {error}")
            raise (failed if self.source is None else self.source.blame(failed, error)) from error


def load_model(
    model: Model,
    inputs: Inputs = None,
    *,
    dtype: str = "fp32",
    checkpoint: str | None = None,
    attention: Attention = "auto",
    device_kind: DeviceKind = "cuda",
) -> LoadedModel:
    """Return a model with its inputs, in a precision, with parts of it made checkpoints if asked for.

    An address is built on the meta device. A module is used as it is; for another dtype or with checkpoints a copy
    without data takes its place, so that the module itself is not changed.
    Raises AddressError, InputError or UsageError; TypeError for what is neither a module nor an address.
    """
    require_model(model)
    choose("attention", attention, get_args(Attention))
    precision = find_precision(dtype)
    # No inputs are a module's when its forward takes none; an address has its usual input.
    texts, tensors = _read_inputs(None if isinstance(model, str) and inputs == () else inputs)
    loaded = _from_module(model, texts, tensors) if isinstance(model, nn.Module) else _from_address(model, texts)
    built = loaded.model
    if isinstance(model, nn.Module) and (precision.model != "float32" or checkpoint is not None):
        built = without_data(model)
    if precision.model != "float32":
        built = built.to(precision.model_dtype)
        tensors = _in_precision(tensors, precision)
    if checkpoint is not None:
        checkpoint_modules(built, checkpoint)
    return LoadedModel(loaded.name, built, loaded.source, loaded.specs, tensors, precision, attention, device_kind)


def require_model(model: object) -> None:
    """Raise TypeError for anything but a module or an address."""
    if isinstance(model, type):
        raise TypeError(f"a model is a torch.nn.Module or an address such as 'vgg16', not the class {model.__name__}")
    if not isinstance(model, (nn.Module, str)):
        hint = "; pass its .module()" if type(model).__name__ == "ExportedProgram" else ""
        raise TypeError(f"a model is a torch.nn.Module or an address such as 'vgg16', not {model!r:.80}{hint}")


def remember(model: nn.Module, source: Source) -> None:
    """Keep where a module came from for as long as it exists."""
    _SOURCES[model] = source


def name_of(model: nn.Module) -> str:
    """Return the address that a module was loaded from, or its class."""
    source = _SOURCES.get(model)
    return type(model).__name__ if source is None else source.address


def input_texts(inputs: Inputs) -> Sequence[str]:
    """Return the shapes that `inputs` gives as text, none where it gives tensors or nothing."""
    return _read_inputs(inputs)[0]


def _example_of(model: nn.Module, source: Source | None) -> Callable[[int], Any] | None:
    return own_example(type(model)) if source is None else source.example_inputs


def _from_module(model: nn.Module, texts: Sequence[str], tensors: Any) -> LoadedModel:
    source, name = _SOURCES.get(model), name_of(model)
    usual = None if source is None else source.input_shape
    has_example = tensors is not None or _example_of(model, source) is not None
    specs = specs_of(name, texts, usual, has_example=has_example)
    return LoadedModel(name, model, source, specs, tensors, find_precision("fp32"))


def _from_address(address: str, texts: Sequence[str]) -> LoadedModel:
    source = find(address)
    specs = specs_of(address, texts, source.input_shape, has_example=source.example_inputs is not None)
    model = source.build()
    if not all(parameter.is_meta for parameter in model.parameters()):
        _LOG.info("%s: built on real memory, because its builder reads values", address)
    return LoadedModel(address, model, source, specs, None, find_precision("fp32"))


def _read_inputs(inputs: Inputs) -> tuple[Sequence[str], Any]:
    """Return the shapes that `inputs` has as texts, or its tensors.

    Raises InputError for numbers, which forward would take for that many arguments.
    """
    if inputs is None:
        return (), None
    if isinstance(inputs, str):
        return (inputs,), None
    if isinstance(inputs, (int, float)):
        raise InputError("{inputs} is neither tensors nor a shape as text, such as '3x224x224'", inputs=inputs)
    if isinstance(inputs, (tuple, list)) and (inputs or isinstance(inputs, list)):
        if all(isinstance(value, str) for value in inputs):
            return tuple(inputs), None
        if all(isinstance(value, int) for value in inputs):
            shape = "x".join(map(str, inputs[1:] if len(inputs) == 4 else inputs))
            raise InputError(f"{{inputs}} is a shape; write it as text without the batch: '{shape}'", inputs=inputs)
    return (), inputs


def _require_batch(tensors: Any, batch: int) -> None:
    sizes = {tensor.shape[0] for tensor in tensors_in(tensors) if tensor.dim() and not tensor.is_nested}
    if batch != 1 and sizes and batch not in sizes:
        raise UsageError(
            f"{{batch}} does not match the tensors in {{inputs}}, whose batch is {min(sizes)}; leave it out",
            batch=batch,
            inputs=...,
        )


def _in_precision(inputs: Any, precision: Precision) -> Any:
    """Return the inputs with floating-point tensors in the dtype of the model's parameters."""
    if precision.model == "float32":
        return inputs
    dtype = precision.model_dtype
    return ObjectCopier(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor).copy(inputs)
