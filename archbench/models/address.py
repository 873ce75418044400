"""Addresses of models: find the builder that a text names.

    vgg16                       a model of the zoo: an entry point of the group `archbench.models`
    vgg16@10                    the same with 10 classes
    torchvision:resnet50        a builder of an installed library
    path/to/net.py:Net          a class or factory in a file; loading it runs the file. A function
                                example_inputs(batch) in the class, as a static method, or beside it
                                returns a tensor, a tuple or a dict
    git:HEAD~1:net.py:Net       the same file at a git revision, with all other files of that revision
    package.module:factory      the same in an importable module
    vgg16?init=paper&a=1        keyword arguments for the builder, Python literals or plain words

Bare names are listed and completed from the metadata of installed distributions, without importing torch.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from archbench.errors import AddressError, ArchbenchError, first_line, nearest
from archbench.models.card import Card, card_of
from archbench.models.file_names import is_file
from archbench.models.library_builders import Builder, from_timm, from_torchvision
from archbench.models.revisions import checked_out, parse_revision
from archbench.models.suggestions import file_without_name, without_place
from archbench.models.user_code import import_module, load_file, user_lines
from archbench.models.user_context import load_own_package, running_user_code, without_user_modules

if TYPE_CHECKING:
    from torch import nn

GROUP = "archbench.models"


@dataclass(frozen=True, slots=True)
class Source:
    """A builder with its keyword arguments, as an address names them.

    `input_shape` is the usual shape of one sample, `example_inputs(batch)` a function of the user's own, `home` the
    folder of the user's own code; each is None if there is none.
    """

    address: str
    builder: Callable[..., nn.Module]
    arguments: dict[str, Any]
    card: Card | None = None
    input_shape: tuple[int, ...] | None = None
    example_inputs: Callable[[int], Any] | None = None
    home: Path | None = None

    def build(self) -> nn.Module:
        """Return the model on the meta device: no weights are allocated or initialised.

        A builder that reads values while it builds returns a model on real memory, its large weights uninitialised.
        Raises AddressError if the builder refuses its arguments or fails.
        """
        import torch

        from archbench.trace.meta_build import build

        try:
            with running_user_code():
                model, _ = build(self.builder, self.arguments)
        except (Exception, SystemExit) as error:  # the user's own code may raise anything
            raise self.failure(error) from error
        if not isinstance(model, torch.nn.Module):
            raise AddressError(f"{self.address} returned type {type(model).__name__}, not torch.nn.Module")
        return model

    def build_with_data(self) -> nn.Module:
        """Return the model as its builder makes it, on torch's default device; errors are the builder's own."""
        with running_user_code():
            return self.builder(**self.arguments)

    def failure(self, cause: BaseException) -> ArchbenchError:
        """Return the error for a builder that raised `cause`; a ValueError, about an argument, speaks for itself."""
        problem = str(cause) if isinstance(cause, ValueError) else f"its builder fails: {first_line(cause)}"
        return self.blame(AddressError(f"{self.address}: {problem}"), cause)

    def blame(self, raised: ArchbenchError, cause: BaseException) -> ArchbenchError:
        """Return `raised` with the lines of the user's own code that led to `cause`."""
        if self.home is not None:
            raised.user_lines = user_lines(self.home, cause)
        return raised


def model_names() -> list[str]:
    """Return the bare names of installed models, sorted."""
    return sorted(_installed(tuple(sys.path)).names)


def find(address: str) -> Source:
    """Return the builder at an address. Raises AddressError, with the nearest name, if there is none."""
    match = _parts(address)
    target = _find_builder(match["target"], address)
    arguments = _parse_options(match["options"] or "", address)
    if match["classes"] is not None:
        arguments["num_classes"] = _parse_classes(match["classes"], address)
    _check_arguments(target.builder, arguments, address)
    card = card_of(target.builder, arguments)
    usual = target.input_shape if card is None else card.input_shape
    return Source(address, target.builder, arguments, card, usual, target.example_inputs, target.home)


def target_of(address: str) -> str:
    """Return an address without the classes and arguments at its end."""
    return _parts(address)["target"]


def is_pattern(address: str) -> bool:
    """Return whether an address may name several models, because its name has a `*` or `[`."""
    place, _, name = target_of(address).rpartition(":")
    return bool(re.search(r"[*\[]", name)) and not (not place and name.endswith(".py"))


def _parts(address: str) -> re.Match[str]:
    match = re.fullmatch(r"(?P<target>[^?]*?)(@(?P<classes>[^?@/:]*))?(\?(?P<options>.*))?", address, re.DOTALL)
    assert match is not None, "every part of the pattern may be empty"
    return match


def own_example(builder: object) -> Callable[[int], Any] | None:
    """Return the function `example_inputs(batch)` that a class or a factory has as an attribute, None for none."""
    example = getattr(builder, "example_inputs", None)
    return example if callable(example) else None


def user_code_of(address: str) -> str:
    """Return the file or module of the user's own that an address executes, `""` for models of installed libraries."""
    place = address.partition("?")[0].rpartition(":")[0]
    return "" if place in ("torchvision", "timm") else place


def _find_builder(target: str, address: str) -> Builder:
    if is_pattern(target):
        raise AddressError(f"'{target}' is a pattern for several models; here one is expected")
    if ":" not in target:
        return Builder(_load_entry_point(_entry_point(target, address)))
    place, _, name = target.rpartition(":")
    _require_one_name(place, name, address)
    if place == "torchvision":
        return from_torchvision(name)
    if place == "timm":
        return from_timm(name)
    if place.startswith("git:"):
        place = str(checked_out(*parse_revision(place, address)))
    module = load_file(Path(place)) if place.endswith(".py") else import_module(place, address)
    levels = 0 if place.endswith(".py") else place.count(".")
    origin = getattr(module, "__file__", None)  # a builtin module has none, that of a namespace package is None
    builder = _attribute(module, name, address)
    return Builder(
        builder=builder,
        example_inputs=own_example(builder) or getattr(module, "example_inputs", None),
        home=None if origin is None else Path(origin).resolve().parents[levels],
    )


def _require_one_name(place: str, name: str, address: str) -> None:
    """Raise AddressError for `net.py:` and `net.py::Net`."""
    path = place.removesuffix(":")
    if not path.endswith(".py") or not is_file(Path(path)):
        return
    if not name:
        raise AddressError(file_without_name(path))
    if path != place:
        raise AddressError(f"'{address}' has one colon too many; write {path}:{name}")


@functools.cache
def _installed(_path: tuple[str, ...]) -> EntryPoints:
    """Return the models of all distributions on the module search path; scanning their metadata takes 7 ms."""
    return entry_points(group=GROUP)


def _entry_point(name: str, address: str) -> EntryPoint:
    installed = _installed(tuple(sys.path))
    if name not in installed.names:
        raise AddressError(without_place(name, address.removeprefix(name), sorted(installed.names)))
    return installed[name]


def _load_entry_point(entry: EntryPoint) -> Callable[..., nn.Module]:
    """Import an installed builder; a module of the user's with the name of its package does not come in between."""
    package = entry.module.partition(".")[0]
    if package == "zoo":
        load_own_package(package)
    with without_user_modules():
        builder: Callable[..., nn.Module] = entry.load()
    return builder


def _attribute(module: ModuleType, name: str, address: str) -> Callable[..., nn.Module]:
    value = getattr(module, name, None)
    if not isinstance(value, type) and hasattr(value, "named_parameters"):
        own = type(value)
        builder = f"def make_{name}(): return {own.__name__}(...)"
        if own.__module__ == module.__name__:
            builder = f"{target_of(address).rpartition(':')[0]}:{own.__name__}"
        raise AddressError(
            f"{address}: '{name}' is a model; name the class or function that builds it, such as {builder}"
        )
    if not callable(value):
        names = [key for key, member in vars(module).items() if callable(member) and not key.startswith("_")]
        raise AddressError(f"{address}: there is no class or function '{name}'{nearest(name, names)}")
    return cast("Callable[..., nn.Module]", value)


def _parse_options(text: str, address: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in filter(None, text.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key.isidentifier():
            raise AddressError(f"{address}: '{part}' is not a valid argument; write ?name=value&other=value")
        options[key] = _literal(value)
    return options


def _literal(text: str) -> Any:
    """Return the value of a Python literal, or the text itself if it is a plain word."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _parse_classes(text: str, address: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,17}", text) is None:
        raise AddressError(f"{address}: '@{text}' is not a valid number of classes; write for example @10")
    return int(text)


def _check_arguments(builder: Callable[..., Any], arguments: dict[str, Any], address: str) -> None:
    try:
        parameters = inspect.signature(builder).parameters
    except ValueError:  # a builtin without a signature checks its arguments itself
        return
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for name in arguments:
        if not takes_any and name not in parameters:
            takes = ", ".join(parameters) or "no arguments"
            raise AddressError(f"{address}: its builder takes {takes}, not '{name}'{nearest(name, parameters)}")
