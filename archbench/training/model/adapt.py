"""Adapt a model to a data set: its last layer to the classes, its input to the channels and the image size.

A builder with a card (a zoo's) is called with `num_classes`, `in_channels`, `size` and `init`, a library's with
`num_classes`. All is tried on a meta model first; what arguments cannot do is done to the built model.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from archbench.errors import ForwardError, InputError
from archbench.models.address import Source, find
from archbench.models.inputs import InputSpec, advice
from archbench.models.user_context import running_user_code
from archbench.trace.pytree import tensors_in
from archbench.trace.records import Trace
from archbench.trace.tracer import trace
from archbench.training.loss import AUXILIARY_WEIGHT
from archbench.training.model.head import Head, find_head, num_outputs_of, replace_head
from archbench.training.model.initialise import initialise, require_scheme
from archbench.units import format_dimensions, format_integer

Shape = tuple[int, int, int]

# Two samples: batch normalisation cannot be trained on one.
_BATCH = 2


@dataclass(frozen=True, slots=True)
class Adapted:
    """A model for a data set, the shape of one sample that it takes, and notes on how it was changed.

    `initialisation` is the scheme that drew its weights, `torch` if its constructor did.
    """

    model: nn.Module
    input_shape: Shape
    notes: tuple[str, ...]
    initialisation: str


def adapt(
    address: str,
    *,
    data_shape: Shape,
    num_classes: int,
    size: int | None,
    initialisation: str = "kaiming",
    keeps_own: bool = False,
) -> Adapted:
    """Return the model at `address` for images of `data_shape` (channels, height, width) and their classes.

    `size` is the height and width that all images will have; None is the model's usual input. The model is on the CPU,
    its weights drawn by `initialisation` from torch's generator, unless the address sets another; with `keeps_own` a
    model without a card keeps the weights of its constructor. The caller must resize the images, and convert them where
    the model takes other channels.
    Raises AddressError, UsageError, or InputError for a model that cannot be adapted to the data.
    """
    asked = find(address)
    if keeps_own and asked.card is None:
        initialisation = "torch"
    source = _with_arguments(asked, data_shape[0], num_classes, size, initialisation)
    initialises_itself = source.card is not None and "init" in source.arguments
    if not initialises_itself:
        require_scheme(initialisation, address)
    trial = _trial(source, data_shape[0], num_classes, size, may_replace="num_classes" not in asked.arguments)
    _require_convertible(address, data_shape[0], trial.input_shape[0])
    model = source.build_with_data()
    if trial.must_replace_head:
        replace_head(model, trial.head.name, num_classes)
    if not initialises_itself:
        initialise(model, initialisation, model.get_submodule(trial.head.name))
    notes = [
        *_notes_on_head(asked, trial, num_classes),
        *_notes_on_input(_usual_shape(asked), trial),
        *_notes_on_channels(data_shape[0], trial.input_shape[0]),
    ]
    if auxiliary := _num_auxiliary(trial.record, num_classes):
        notes.append(f"its loss in training has {auxiliary} auxiliary classifiers, each weighted by {AUXILIARY_WEIGHT}")
    if not initialises_itself and initialisation != "torch":
        notes.append(f"weights start from {initialisation}, not from what its constructor draws")
    scheme = str(source.arguments["init"]) if initialises_itself else initialisation
    return Adapted(model, trial.input_shape, tuple(notes), scheme)


def _with_arguments(source: Source, channels: int, num_classes: int, size: int | None, initialisation: str) -> Source:
    """Return the source with those of the data's arguments that its builder takes and its address does not set."""
    parameters = inspect.signature(source.builder).parameters
    # A library's builder accepts more arguments than it names; a user's class may not.
    passes_on = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    wanted: dict[str, Any] = {}
    if "num_classes" in parameters or (passes_on and source.home is None):
        wanted["num_classes"] = num_classes
    shape = source.input_shape
    if source.card is not None and shape is not None:
        if "init" in parameters:
            wanted["init"] = initialisation
        images = _image_arguments(shape, channels, size)
        unset = {name: images[name] for name in images if name in parameters and name not in source.arguments}
        shape = (unset.get("in_channels", shape[0]), *[unset.get("size", length) for length in shape[1:]])
        wanted |= unset
        if "size" in images and "size" in source.arguments:
            raise InputError(f"{source.address} is built for {format_dimensions(shape)}, not for {{size}}", size=size)
    return replace(source, arguments={**wanted, **source.arguments}, input_shape=shape)


def _image_arguments(shape: tuple[int, ...], channels: int, size: int | None) -> dict[str, int]:
    """Return the arguments for images that differ from the model's usual input; colour ones only where that is grey."""
    arguments = {}
    if shape[0] == 1 and channels != 1:
        arguments["in_channels"] = channels
    if size is not None and size != shape[-1]:
        arguments["size"] = size
    return arguments


@dataclass(frozen=True, slots=True)
class _Trial:
    """The result of tracing a training step of a meta model: the input that it runs on, its last layer, and the trace.

    `must_replace_head` is set where the arguments alone do not adapt it to the classes; `record` traces the model as
    replaced.
    """

    input_shape: Shape
    head: Head
    must_replace_head: bool
    record: Trace


def _trial(source: Source, data_channels: int, num_classes: int, size: int | None, *, may_replace: bool) -> _Trial:
    """Trace the model. Raises InputError if it does not run, or cannot be made to return one score per class.

    The last layer is not replaced where the address itself sets the number of classes.
    """
    model = source.build()
    shape, record = _first_that_runs(source, model, _shapes(source, data_channels, size))
    head = find_head(model, record)
    if head is None:
        raise InputError(f"{source.address} has no convolution or linear layer that could be adapted to the classes")
    if _is_classifier(record, num_classes) or _num_auxiliary(record, num_classes):
        return _Trial(shape, head, False, record)
    if not may_replace:
        raise InputError(f"{source.address} has {head.num_outputs} outputs, and the data has {num_classes} classes")
    given = _outputs(record)
    replace_head(model, head.name, num_classes)
    record = _run(model, shape)
    if not _is_classifier(record, num_classes):
        raise InputError(f"{source.address} returns {given} in training, not one score for each class of each image")
    return _Trial(shape, head, True, record)


def _require_convertible(address: str, given: int, taken: int) -> None:
    """Raise InputError unless images can be converted to as many channels as the model takes."""
    if given != taken and 1 not in (given, taken):
        raise InputError(f"{address} takes images of {taken} channels, and the data has {given}")


def _is_classifier(record: Trace, num_classes: int) -> bool:
    return [output.shape for output in record.layers[0].outputs] == [(_BATCH, num_classes)]


def _num_auxiliary(record: Trace, num_classes: int) -> int:
    """Return the number of auxiliary classifiers whose scores the model returns after its own, and nothing else."""
    shapes = [output.shape for output in record.layers[0].outputs]
    return len(shapes) - 1 if shapes and set(shapes) == {(_BATCH, num_classes)} else 0


def _outputs(record: Trace) -> str:
    shapes = [format_dimensions(output.shape[1:]) for output in record.layers[0].outputs]
    return " and ".join(shapes) or "no tensor"


def _first_that_runs(source: Source, model: nn.Module, shapes: list[Shape]) -> tuple[Shape, Trace]:
    """Return the first shape that the model runs on, and its trace. Raises InputError with advice."""
    first: ForwardError | None = None
    for shape in shapes:
        try:
            return shape, _run(model, shape)
        except ForwardError as error:
            first = first or error
    assert first is not None, "there is a shape to try"
    hint = advice(model, [InputSpec(shapes[0])], _usual_shape(source))
    failure = InputError(f"{source.address}: {first}{f'; {hint}' if hint else ''}")
    raise source.blame(failure, first.__cause__ or first) from first


def _run(model: nn.Module, shape: Shape) -> Trace:
    with running_user_code():
        return trace(model, InputSpec(shape).tensor(_BATCH), mode="train", optimizer=None)


def _shapes(source: Source, data_channels: int, size: int | None) -> list[Shape]:
    """Return the shapes to try: the usual input with the given size; without a usual one, with several channels."""
    usual = _usual_shape(source)
    if usual is not None:
        return [(usual[0], size or usual[1], size or usual[2])]
    if size is None:
        raise InputError(f"{source.address} has no usual input; give a size, such as {{size}}", size=32)
    return [(channels, size, size) for channels in dict.fromkeys((data_channels, 3, 1))]


def _usual_shape(source: Source) -> Shape | None:
    """Return the model's usual input for one image, from its card or its example inputs; None if unknown."""
    shape = source.input_shape
    if shape is None and source.example_inputs is not None:
        try:
            with running_user_code():
                tensors = list(tensors_in(source.example_inputs(1)))
        except (Exception, SystemExit) as error:  # whatever the user's own code raises is reported with its lines
            failure = InputError(f"{source.address}: example_inputs(1) fails: {type(error).__name__}: {error}")
            raise source.blame(failure, error) from error
        shape = tuple(tensors[0].shape[1:]) if len(tensors) == 1 else ()
    if shape is None:
        return None
    if len(shape) != 3:
        raise InputError(f"{source.address} takes {format_dimensions(shape) or 'several tensors'}, not an image")
    return shape[0], shape[1], shape[2]


def _notes_on_head(asked: Source, trial: _Trial, num_classes: int) -> Iterator[str]:
    name, outputs = trial.head.name, format_integer(num_classes)
    if trial.must_replace_head:
        before = format_integer(trial.head.num_outputs)
        yield f"the last layer, {name}, is replaced: {outputs} outputs, not {before}"
        return
    usual = num_outputs_of(asked.build(), name)
    if trial.head.num_outputs == num_classes and usual not in (None, num_classes):
        yield f"the last layer, {name}, has {outputs} outputs, not {format_integer(usual)}"


def _notes_on_input(usual: Shape | None, trial: _Trial) -> Iterator[str]:
    if usual is not None and trial.input_shape != usual:
        pooling = _adaptive_pooling(trial.record)
        change = f"input {format_dimensions(trial.input_shape)}, not {format_dimensions(usual)}"
        yield f"{change}: {pooling}" if pooling else change


def _adaptive_pooling(record: Trace) -> str | None:
    """Return a note on adaptive pooling that resizes the last feature maps for the classifier, unless to 1×1."""
    layers = [layer for layer in record.layers if layer.is_leaf and layer.calls]
    for i, layer in enumerate(layers):
        if layer.type == "AdaptiveAvgPool2d" and layer.inputs[0].shape != layer.outputs[0].shape:
            grid = layer.outputs[0].shape[-2:]
            after = next((later.path for later in layers[i:] if later.type == "Linear"), None)
            if grid != (1, 1) and after is not None:
                return f"{format_dimensions(grid)} adaptive pooling before {after}"
    return None


def _notes_on_channels(given: int, taken: int) -> Iterator[str]:
    if given != taken:
        yield f"grey images are repeated for its {taken} channels" if given == 1 else "colour images are turned to grey"
