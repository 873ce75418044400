"""One step of a model on a real device: a forward pass or a training step, ready to be timed.

Inputs are random normal, not zeros, on which some devices run faster; several inputs alternate where one would stay in
a cache. A training step is zero_grad, forward, loss, backward and an update with SGD and momentum.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from archbench.errors import InputError
from archbench.host.machine import usable_cores
from archbench.measure.worker.random_fill import RepeatedFill
from archbench.models.address import find
from archbench.models.inputs import InputSpec, parse_input
from archbench.precision import find_precision
from archbench.store.records import Configuration

# Data cached from the last step would make a step faster than it is in use. If weights and inputs exceed this size, the
# caches of today's CPUs and GPUs, nothing stays cached; otherwise inputs alternate.
_CACHE_BYTES = 2**27
_MAX_INPUTS = 16


def _ignore(_phase: str) -> None:
    """Ignore the end of a phase."""


class Step:
    """A step that can be run repeatedly; `first_s` is the time of the first run, including compilation.

    `spare_bytes` is the size of the inputs that are not in use. Raises InputError for a configuration that cannot be
    measured.
    """

    def __init__(self, configuration: Configuration, seed: int = 0) -> None:
        torch.manual_seed(seed)
        _require_tf32_device(configuration)
        set_flags(configuration)
        self._configuration = configuration
        self._precision = find_precision(configuration.dtype)
        self._memory_format = torch.channels_last if configuration.layout == "nhwc" else torch.contiguous_format
        self._source = find(configuration.model)
        self._model: Any = self._build()
        self._feed = itertools.cycle(map(_arguments, self._make_inputs()))
        self._optimizer = self._make_optimizer()
        self._run: Callable[..., Any] = torch.compile(self._model) if configuration.compiled else self._model
        self._targets: Tensor | None = None
        self.first_s = self._run_first()

    def _build(self) -> torch.nn.Module:
        with torch.device(self._configuration.kind), RepeatedFill():  # type: ignore[no-untyped-call]  # torch's mode
            model = self._source.build_with_data()
            _fill_zero_heads(model)
        model = model.to(self._precision.model_dtype).train(self._configuration.mode == "train")
        if any(parameter.dim() == 4 for parameter in model.parameters()):
            model = model.to(memory_format=self._memory_format)
        return model

    def _make_inputs(self) -> list[Any]:
        """Return the inputs that alternate."""
        first = self._inputs()
        if self._configuration.layout == "nhwc" and not any(tensor.dim() == 4 for tensor in _tensors(first)):
            raise InputError("nhwc is a layout of images; no input has four dimensions")
        size_bytes = _size_bytes(_tensors(first))
        copies = _num_inputs(self._model, size_bytes) - 1
        self.spare_bytes = size_bytes * copies
        return [first, *(self._inputs() for _ in range(copies))]

    def _run_first(self) -> float:
        """Run the step once, check its output and return its time in seconds."""
        wait(self._configuration.kind)
        start = time.perf_counter()
        output = self.run_once()
        wait(self._configuration.kind)
        first_s = time.perf_counter() - start
        _check(output, self._configuration.mode)
        return first_s

    @property
    def model(self) -> torch.nn.Module:
        """The model, not compiled."""
        model: torch.nn.Module = self._model
        return model

    def run_once(self, after: Callable[[str], None] = _ignore) -> Any:
        """Run one step and return the output of the forward pass, or in training the loss.

        In training, `after` is called with the name of each phase at its end.
        """
        if self._optimizer is None:
            with torch.inference_mode():
                return self._forward()
        self._optimizer.zero_grad()
        after("zero_grad")
        positional, keyword = next(self._feed)
        with self._autocast():
            output = self._run(*positional, **keyword)
            after("forward")
            loss = self._loss(output)
        del output  # the backward pass does not need it
        after("loss")
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        after("backward")
        self._optimizer.step()
        after("step")
        return loss

    def run_steps(self, steps: int) -> None:
        """Run several steps; what a step costs beside the model's own work is then a fraction of a microsecond."""
        if self._optimizer is not None:
            for _ in range(steps):
                self.run_once()
            return
        with torch.inference_mode():
            for _ in range(steps):
                self._forward()

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the next inputs as positional and keyword arguments of the model."""
        return next(self._feed)

    def clear_gradients(self) -> None:
        """Free the gradients of the last training step."""
        if self._optimizer is not None:
            self._optimizer.zero_grad()

    def _forward(self) -> Any:
        positional, keyword = next(self._feed)
        if self._precision.autocast_dtype is None:
            return self._run(*positional, **keyword)
        # Entered for each step: autocast keeps the weights that it has converted until its end.
        with self._autocast():
            return self._run(*positional, **keyword)

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = self._precision.autocast_dtype
        return nullcontext() if dtype is None else torch.autocast(self._configuration.kind, dtype)

    def _loss(self, output: Any) -> Tensor:
        """Return cross entropy with random classes if the output has one score per class, else the mean of squares."""
        first = next((tensor for tensor in _tensors(output) if tensor.requires_grad), None)
        if first is None:
            raise InputError("no output requires a gradient, so there is no training step")
        if first.dim() != 2:
            return first.float().square().mean()
        if self._targets is None:
            self._targets = torch.randint(first.shape[1], (first.shape[0],), device=first.device)
        return cross_entropy(first.float(), self._targets)

    def _make_optimizer(self) -> torch.optim.Optimizer | None:
        if self._configuration.mode != "train":
            return None
        # A rate too small to change the weights; the operators are the same.
        return torch.optim.SGD(self._model.parameters(), lr=1e-9, momentum=0.9)

    def _inputs(self) -> Any:
        """Return the arguments of one forward pass: a tuple or a dict."""
        from archbench.trace.pytree import map_tensors

        specs = [parse_input(text) for text in self._configuration.inputs]
        if specs:
            return tuple(self._placed(self._random(spec)) for spec in specs)
        assert self._source.example_inputs is not None, "a configuration without inputs has an example"
        example = map_tensors(self._source.example_inputs(self._configuration.batch), self._placed)
        return example if isinstance(example, (tuple, dict)) else (example,)

    def _placed(self, tensor: Tensor) -> Tensor:
        """Return an input on the device, floating-point numbers in the model's dtype, images in the layout."""
        dtype = self._precision.model_dtype if tensor.is_floating_point() else tensor.dtype
        placed = tensor.to(self._configuration.kind, dtype)
        return placed.contiguous(memory_format=self._memory_format) if placed.dim() == 4 else placed

    def _random(self, spec: InputSpec) -> Tensor:
        shape, kind = (self._configuration.batch, *spec.shape), self._configuration.kind
        if spec.dtype.is_floating_point:
            return torch.randn(shape, device=kind)
        return torch.randint(2, shape, dtype=spec.dtype, device=kind)


def set_flags(configuration: Configuration) -> None:
    """Set the global state of torch that the times depend on."""
    tf32 = find_precision(configuration.dtype).tf32
    torch.set_num_threads(configuration.threads or usable_cores())
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True


def wait(kind: str) -> None:
    """Wait until the device has finished all work."""
    if kind == "cuda":
        torch.cuda.synchronize()
    elif kind == "mps":
        torch.mps.synchronize()


def _arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return inputs as positional and keyword arguments."""
    return ((), inputs) if isinstance(inputs, dict) else (inputs, {})


def _fill_zero_heads(model: torch.nn.Module) -> None:
    """Give random weights to linear layers of zeros, such as the head of torchvision's ViT, whose output is constant.

    A trained layer is not zero, and on zeros some devices run faster.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and not bool(module.weight.any()):
            torch.nn.init.trunc_normal_(module.weight, std=0.02)


def _require_tf32_device(configuration: Configuration) -> None:
    """Raise InputError for tf32 on a device that would silently compute in fp32."""
    if find_precision(configuration.dtype).tf32 and configuration.kind != "cuda":
        raise InputError(f"tf32 requires an NVIDIA GPU, not {configuration.kind}")


def _num_inputs(model: torch.nn.Module, input_bytes: int) -> int:
    """Return how many inputs alternate."""
    weights_bytes = _size_bytes(list(model.parameters()))
    return _MAX_INPUTS if weights_bytes + _MAX_INPUTS * input_bytes < _CACHE_BYTES else 1


def _size_bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _tensors(value: Any) -> list[Tensor]:
    from archbench.trace.pytree import tensors_in

    return list(tensors_in(value))


def _check(output: Any, mode: str) -> None:
    """Raise InputError if an output is not finite or is constant: its time would not be representative."""
    first = next((tensor for tensor in _tensors(output) if tensor.is_floating_point()), None)
    if first is None:
        return
    values = first.detach().float()
    if not bool(values.isfinite().all()):
        raise InputError("the output of the model is not finite")
    if mode == "eval" and values.numel() > 1 and bool((values == values.flatten()[0]).all()):
        raise InputError("the output of the model is the same everywhere")
