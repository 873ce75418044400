"""One step of a model on a real device: built, fed with random numbers, checked, and ready to be timed.

Inputs are random normal, never zeros, which run faster; several take turns where they would otherwise stay in a cache.
A training step is zero_grad, forward, loss, backward and the update of SGD with momentum.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from archbench.errors import InputError
from archbench.measure.worker.request import Request
from archbench.models.address import Source, find
from archbench.models.inputs import InputSpec, specs_of
from archbench.precision import find_precision

# What lies in a cache from the last step makes a step faster than it is in use. Where a step's weights and input are
# larger than the caches of today's CPUs and GPUs, nothing does; elsewhere, no input is what the last step had.
_CACHE_BYTES = 2**27
_MOST_INPUTS = 16


def _nothing(_phase: str) -> None:
    """Hear that a phase is over."""


class Step:
    """A step that can be run again and again; `first_s` is how long the first took, compilation included.

    `spare_bytes` is what inputs take that wait for their turn.
    """

    def __init__(self, request: Request) -> None:
        torch.manual_seed(request.seed)
        _require_sense(request)
        self._request = request
        self._precision = find_precision(request.dtype)
        set_flags(request)
        source = find(request.model)
        with torch.device(request.kind):
            model = source.builder(**source.arguments)
        layout = torch.channels_last if request.layout == "nhwc" else torch.contiguous_format
        self._model: Any = model.to(self._precision.model_dtype).train(request.mode == "train")
        if any(parameter.dim() == 4 for parameter in self._model.parameters()):
            self._model = self._model.to(memory_format=layout)
        if request.layout == "nhwc" and not any(t.dim() == 4 for t in _tensors(self._inputs(source, layout))):
            raise InputError("nhwc is a layout of images; no input has four dimensions")
        inputs = [self._inputs(source, layout)]
        one_bytes = _size_bytes(_tensors(inputs[0]))
        inputs += [self._inputs(source, layout) for _ in range(_copies(self._model, one_bytes) - 1)]
        self.spare_bytes = one_bytes * (len(inputs) - 1)
        self._feed = itertools.cycle(inputs)
        self._optimizer = self._make_optimizer()
        self._run: Callable[..., Any] = torch.compile(self._model) if request.compiled else self._model
        self._targets: Tensor | None = None
        wait(request.kind)
        start = time.perf_counter()
        output = self.run_once()
        wait(request.kind)
        self.first_s = time.perf_counter() - start
        _check(output, request.mode)

    @property
    def model(self) -> torch.nn.Module:
        """The model as it is run, uncompiled."""
        model: torch.nn.Module = self._model
        return model

    def run_once(self, after: Callable[[str], None] = _nothing) -> Any:
        """Run one step and return the output of its forward pass, or in training its loss.

        In training `after` is told the name of each phase that is over.
        """
        inputs = next(self._feed)
        positional, keyword = ((), inputs) if isinstance(inputs, dict) else (inputs, {})
        if self._optimizer is None:
            with torch.inference_mode(), self._autocast():
                return self._run(*positional, **keyword)
        self._optimizer.zero_grad()
        after("zero_grad")
        with self._autocast():
            output = self._run(*positional, **keyword)
            after("forward")
            loss = self._loss(output)
        del output  # as it would be in a step written in one line: it is not needed in the backward pass
        after("loss")
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        after("backward")
        self._optimizer.step()
        after("step")
        return loss

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = self._precision.autocast_dtype
        return nullcontext() if dtype is None else torch.autocast(self._request.kind, dtype)

    def _loss(self, output: Any) -> Tensor:
        """Return cross entropy with random classes where the output is one score a class, else a mean of squares."""
        first = next((tensor for tensor in _tensors(output) if tensor.requires_grad), None)
        if first is None:
            raise InputError("no output requires a gradient, so that there is no training step")
        if first.dim() != 2:
            return first.float().square().mean()
        if self._targets is None:
            self._targets = torch.randint(first.shape[1], (first.shape[0],), device=first.device)
        return cross_entropy(first.float(), self._targets)

    def _make_optimizer(self) -> torch.optim.Optimizer | None:
        if self._request.mode != "train":
            return None
        # A rate so small that the weights stay what they are, which changes no operator.
        return torch.optim.SGD(self._model.parameters(), lr=1e-9, momentum=0.9)

    def _inputs(self, source: Source, layout: torch.memory_format) -> Any:
        """Return the arguments of one forward pass: a tuple or a dict."""
        from archbench.trace.pytree import map_tensors

        has_example = source.example_inputs is not None
        specs = specs_of(self._request.model, self._request.inputs, source.input_shape, has_example=has_example)
        if not specs and source.example_inputs is not None:
            example = source.example_inputs(self._request.batch)
            placed = map_tensors(example, lambda tensor: self._placed(tensor, layout))
            return placed if isinstance(placed, (tuple, dict)) else (placed,)
        return tuple(self._placed(self._random(spec), layout) for spec in specs)

    def _placed(self, tensor: Tensor, layout: torch.memory_format) -> Tensor:
        """Return an input on the device, numbers in the model's dtype, images in the layout that was asked for."""
        dtype = self._precision.model_dtype if tensor.is_floating_point() else tensor.dtype
        placed = tensor.to(self._request.kind, dtype)
        return placed.contiguous(memory_format=layout) if placed.dim() == 4 else placed

    def _random(self, spec: InputSpec) -> Tensor:
        shape, kind = (self._request.batch, *spec.shape), self._request.kind
        if spec.dtype.is_floating_point:
            return torch.randn(shape, device=kind)
        return torch.randint(2, shape, dtype=spec.dtype, device=kind)


def set_flags(request: Request) -> None:
    """Set everything global that the numbers depend on."""
    tf32 = find_precision(request.dtype).tf32
    torch.set_num_threads(request.threads)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True


def wait(kind: str) -> None:
    """Wait until the device has done everything that it was given."""
    if kind == "cuda":
        torch.cuda.synchronize()
    elif kind == "mps":
        torch.mps.synchronize()


class Runnable(Protocol):
    """What can be run again and again: a step, or its replay."""

    def run_once(self) -> Any:
        """Run one step."""


class Blocks:
    """Runs a step in blocks and says how long each took: the subject of the measuring engine."""

    def __init__(self, step: Runnable, kind: str) -> None:
        self._step = step
        self._kind = kind

    def run(self, steps: int) -> float:
        """Return the seconds that so many steps take: on a GPU between two events, else by the clock."""
        if self._kind == "cuda":
            return self._run_between_events(steps)
        wait(self._kind)
        start = time.perf_counter_ns()
        for _ in range(steps):
            self._step.run_once()
        wait(self._kind)
        return (time.perf_counter_ns() - start) / 1e9

    def _run_between_events(self, steps: int) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # torch's
        start.record()
        for _ in range(steps):
            self._step.run_once()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3


def _require_sense(request: Request) -> None:
    """Raise InputError for a precision that the device would quietly run as another."""
    if find_precision(request.dtype).tf32 and request.kind != "cuda":
        raise InputError(f"tf32 is a dtype of NVIDIA GPUs; a {request.kind} has none")


def _copies(model: torch.nn.Module, input_bytes: int) -> int:
    """Return how many inputs take turns."""
    weights_bytes = _size_bytes(list(model.parameters()))
    return _MOST_INPUTS if weights_bytes + _MOST_INPUTS * input_bytes < _CACHE_BYTES else 1


def _size_bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _tensors(value: Any) -> list[Tensor]:
    from archbench.trace.pytree import tensors_in

    return list(tensors_in(value))


def _check(output: Any, mode: str) -> None:
    """Raise InputError if what a step computes is not finite or says nothing: its time would be of another program."""
    first = next((tensor for tensor in _tensors(output) if tensor.is_floating_point()), None)
    if first is None:
        return
    values = first.detach().float()
    if not bool(values.isfinite().all()):
        raise InputError("what the model computes is not finite")
    if mode == "eval" and values.numel() > 1 and bool((values == values.flatten()[0]).all()):
        raise InputError("what the model computes is the same everywhere")
