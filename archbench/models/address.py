"""Addresses of models: text in, a builder out.

    vgg16                       a model of the zoo: an entry point of the group `archbench.models`
    vgg16@10                    the same with 10 classes
    torchvision:resnet50        a builder of an installed library
    path/to/net.py:Net          a class or factory in a file; loading it runs the file. A function
                                example_inputs(batch) beside it gives a tensor, a tuple or a dict
    git:HEAD~1:net.py:Net       the same file at a git revision, with everything that was beside it then
    package.module:factory      the same in an importable module
    vgg16?init=paper&a=1        keyword arguments for the builder, Python literals or plain words

Bare names are listed and completed from the metadata of installed distributions, without importing torch.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from archbench.errors import AddressError, ArchbenchError, nearest
from archbench.models.revisions import checked_out, commit_of

if TYPE_CHECKING:
    from torch import nn

GROUP = "archbench.models"


class Card(Protocol):
    """What a builder may say of its model in an attribute `card`."""

    @property
    def title(self) -> str:
        """The model's name as people write it."""

    @property
    def year(self) -> int:
        """The year of its paper."""

    @property
    def paper(self) -> str:
        """Authors, title and place of its paper."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""

    @property
    def differences(self) -> str:
        """What departs from the paper."""

    @property
    def reported_top5_error_percent(self) -> float | None:
        """Published top-5 error of a single network."""

    @property
    def reported_protocol(self) -> str | None:
        """How that error was measured."""


@dataclass(frozen=True, slots=True)
class Source:
    """A builder found at an address, with the keyword arguments that the address gives it.

    `input_shape` is the usual shape of one sample, `example_inputs(batch)` the user's own maker of inputs, `home` the
    folder of the user's own code; each is None where there is none.
    """

    address: str
    builder: Callable[..., nn.Module]
    arguments: dict[str, Any]
    card: Card | None = None
    input_shape: tuple[int, ...] | None = None
    example_inputs: Callable[[int], Any] | None = None
    home: Path | None = None

    def build(self) -> nn.Module:
        """Return the model, on the meta device: no weights are allocated or initialised.

        A builder that reads values while it builds gives a model on real memory, its large weights uninitialised.
        Raises AddressError if the builder refuses its arguments or fails.
        """
        import torch

        from archbench.trace.meta_build import build

        try:
            model, _ = build(self.builder, self.arguments)
        except (Exception, SystemExit) as error:  # whatever the user's own code raises is told with its own lines
            problem = str(error) if isinstance(error, ValueError) else f"its builder fails: {_said(error)}"
            raise self.blame(AddressError(f"{self.address}: {problem}"), error) from error
        if not isinstance(model, torch.nn.Module):
            raise AddressError(f"{self.address} gives a {type(model).__name__}, not a torch.nn.Module")
        return model

    def blame(self, told: ArchbenchError, error: BaseException) -> ArchbenchError:
        """Return `told` with the lines of the user's own code on the way to `error`."""
        if self.home is not None:
            told.user_lines = _lines_within(self.home, error)
        return told


@dataclass(frozen=True, slots=True)
class _Found:
    """A builder, and what is known of where it was found."""

    builder: Callable[..., nn.Module]
    input_shape: tuple[int, ...] | None = None
    example_inputs: Callable[[int], Any] | None = None
    home: Path | None = None


def model_names() -> list[str]:
    """Return the bare names that can be used, sorted."""
    return sorted(entry_points(group=GROUP).names)


def find(address: str) -> Source:
    """Return what an address names. Raises AddressError, with the nearest name, if there is no such thing."""
    match = re.fullmatch(r"(?P<target>[^?]*?)(@(?P<classes>[^?@/]*))?(\?(?P<options>.*))?", address)
    assert match is not None, "every part of the pattern may be empty"
    found = _find_builder(match["target"], address)
    arguments = _parse_options(match["options"] or "", address)
    if match["classes"] is not None:
        arguments["num_classes"] = _parse_classes(match["classes"], address)
    _check_arguments(found.builder, arguments, address)
    card = _card(found.builder, arguments)
    usual = found.input_shape if card is None else card.input_shape
    return Source(address, found.builder, arguments, card, usual, found.example_inputs, found.home)


def resolved(address: str) -> str:
    """Return an address under which a model is the same wherever and whenever the command runs.

    A file is named by its whole path, a git revision by its commit. Raises AddressError for one that is not there.
    """
    place, colon, name = address.rpartition(":")
    if place.startswith("git:"):
        revision, path = _parse_revision(place, address)
        return f"git:{commit_of(revision, path)}:{path.resolve()}{colon}{name}"
    return f"{Path(place).resolve()}{colon}{name}" if place.endswith(".py") else address


def reported_error(card: Card | None, input_shape: Sequence[int]) -> float | None:
    """Return the published top-5 error, in percent, of a model on samples of a shape.

    None where none was published, and on any shape but the card's: there it was not measured.
    """
    if card is None or tuple(input_shape) != tuple(card.input_shape):
        return None
    return card.reported_top5_error_percent


def _card(builder: object, arguments: dict[str, Any]) -> Card | None:
    """Return a builder's card; a builder may have a `card_of`, which says what its arguments make of it."""
    card_of = getattr(builder, "card_of", None)
    return cast("Card | None", getattr(builder, "card", None) if card_of is None else card_of(**arguments))


def _find_builder(target: str, address: str) -> _Found:
    if ":" not in target:
        return _Found(_entry_point(target).load())
    place, _, name = target.rpartition(":")
    if place == "torchvision":
        return _from_torchvision(name)
    if place == "timm":
        return _from_timm(name)
    if place.startswith("git:"):
        place = str(checked_out(*_parse_revision(place, address)))
    module = _load_file(Path(place)) if place.endswith(".py") else _import(place, address)
    origin = Path(module.__file__ or ".").resolve()
    return _Found(
        builder=_attribute(module, name, address),
        example_inputs=getattr(module, "example_inputs", None),
        home=origin.parents[0 if place.endswith(".py") else place.count(".")],
    )


def _parse_revision(place: str, address: str) -> tuple[str, Path]:
    _, revision, path = [*place.split(":", 2), ""][:3]
    if not revision or not path.endswith(".py"):
        raise AddressError(f"'{address}' names no file at a revision; write git:REVISION:path/to/net.py:Name")
    return revision, Path(path)


def _entry_point(name: str) -> EntryPoint:
    found = entry_points(group=GROUP)
    if name not in found.names:
        hint = nearest(name, found.names) or "; 'archbench list' shows the models there are"
        raise AddressError(f"there is no model '{name}'{hint}")
    return found[name]


def _from_torchvision(name: str) -> _Found:
    models = _import("torchvision.models", f"torchvision:{name}")
    if name not in models.list_models():
        raise AddressError(f"torchvision has no model '{name}'{nearest(name, models.list_models())}")
    # The smallest size that published weights were evaluated at is the one it is built for; the others were fine-tuned
    # on larger images. Segmentation, detection and video have no such field.
    sizes = [getattr(w.transforms, "keywords", {}).get("crop_size") for w in models.get_model_weights(name)]
    size = min((size for size in sizes if isinstance(size, int)), default=None)
    builder = models.get_model_builder(name)
    if "weights_backbone" in inspect.signature(builder).parameters:
        builder = functools.partial(builder, weights_backbone=None)  # nothing is downloaded
    return _Found(builder, input_shape=(3, size, size) if size else None)


def _from_timm(name: str) -> _Found:
    timm = _import("timm", f"timm:{name}")
    if name not in timm.list_models():
        raise AddressError(f"timm has no model '{name}'{nearest(name, timm.list_models())}")
    configuration = timm.get_pretrained_cfg(name)
    input_shape = None if configuration is None else tuple(configuration.input_size)
    return _Found(functools.partial(timm.create_model, name), input_shape=input_shape)


def _import(name: str, address: str) -> ModuleType:
    if not name or name.startswith("."):
        raise AddressError(f"'{address}' names no module; write package.module:Name or path/to/file.py:Name")
    home = Path.cwd()
    sys.path.insert(0, str(home))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise AddressError(f"{address}: there is no module '{error.name}' to import") from error
        raise _loading_failed(name, home, error) from error  # it is there, but imports something that is not
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise _loading_failed(name, home, error) from error
    finally:
        sys.path.remove(str(home))


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise AddressError(f"there is no file '{path}'")
    home = path.resolve().parent
    _NEIGHBOURS.enter(home)
    # Its own name, as if imported, unless that is some other module's: a second net.py, a random.py.
    is_taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"{path.stem}_{len(sys.modules)}" if is_taken else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file has a specification"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that its dataclasses work
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        raise _loading_failed(str(path), home, error) from error
    return module


def _loading_failed(what: str, home: Path, error: BaseException) -> AddressError:
    told = AddressError(f"{what} cannot be loaded: {_said(error)}")
    told.user_lines = _lines_within(home, error)
    return told


class _Neighbours:
    """The folder whose files are being loaded: its modules can be imported, and not those of the folder before.

    Two folders may each have a `blocks.py`; what the first one's file has imported, it keeps.
    """

    def __init__(self) -> None:
        self._home: Path | None = None
        self._modules_before: set[str] = set()

    def enter(self, home: Path) -> None:
        """Make the modules beside a user's file importable, and then those below the working directory."""
        if home == self._home:
            return
        if self._home is not None:
            for name in set(sys.modules) - self._modules_before:
                if _is_within(getattr(sys.modules[name], "__file__", None), self._home):
                    del sys.modules[name]
            sys.path.remove(str(self._home))
        self._home, self._modules_before = home, set(sys.modules)
        sys.path.insert(0, str(home))
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))


_NEIGHBOURS = _Neighbours()


def _attribute(module: ModuleType, name: str, address: str) -> Callable[..., nn.Module]:
    found = getattr(module, name, None)
    if not isinstance(found, type) and hasattr(found, "named_parameters"):
        raise AddressError(f"{address}: '{name}' is a model already; name the class or function that makes it")
    if not callable(found):
        names = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise AddressError(f"{address}: there is no class or function '{name}'{nearest(name, names)}")
    return cast("Callable[..., nn.Module]", found)


def _parse_options(text: str, address: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in filter(None, text.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key.isidentifier():
            raise AddressError(f"{address}: '{part}' is no argument; write ?name=value&other=value")
        options[key] = _literal(value)
    return options


def _literal(text: str) -> Any:
    """Return the Python literal that `text` is; a plain word is a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _parse_classes(text: str, address: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise AddressError(f"{address}: '@{text}' is no number of classes; write for example @10")
    return int(text)


def _check_arguments(builder: Callable[..., Any], arguments: dict[str, Any], address: str) -> None:
    try:
        parameters = inspect.signature(builder).parameters
    except ValueError:  # a builtin without a signature; it will say itself what it does not take
        return
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for name in arguments:
        if not takes_any and name not in parameters:
            takes = ", ".join(parameters) or "no arguments"
            raise AddressError(f"{address}: its builder takes {takes}, not '{name}'{nearest(name, parameters)}")


def _said(error: BaseException) -> str:
    """Return an error's kind and the first line of what it says."""
    return traceback.format_exception_only(error)[-1].strip().splitlines()[0]


def _lines_within(home: Path, error: BaseException) -> tuple[str, ...]:
    """Return the traceback's entries for the user's files below `home`, as Python prints them."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_within(frame.filename, home)]
    entries = traceback.format_list(frames)
    if isinstance(error, SyntaxError):
        entries += traceback.format_exception_only(error)[:-1]
    return tuple(line for entry in entries for line in entry.rstrip().splitlines())


# Libraries and this package itself may lie below a user's folder.
_NOT_THE_USERS = (Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("stdlib")), Path(__file__).parents[1])


def _is_within(filename: str | None, home: Path) -> bool:
    """Say whether a file is the user's own, below `home`."""
    if filename is None or filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    is_library = "site-packages" in path.parts or any(path.is_relative_to(folder) for folder in _NOT_THE_USERS)
    return path.is_relative_to(home) and not is_library
