"""Errors that a user can cause: one class per kind of mistake, each also a builtin exception.

The message is one line: the value, what was expected, the nearest valid choice.

    ArchbenchError
    ├── UsageError    (ValueError)    arguments that do not go together, or a value that is not a valid choice
    ├── AddressError  (LookupError)   an address names no model, or its builder refused the arguments
    ├── InputError    (ValueError)    a shape, dtype or batch size is malformed
    ├── DataError     (ValueError)    images to train on are missing, unreadable or not what they should be
    ├── DeviceError   (LookupError)   there is no such device, or it lacks what was asked of it
    ├── ForwardError  (RuntimeError)  the model does not run on the inputs it was given
    ├── MeasurementError (RuntimeError) something could not be measured reliably (exit code 3)
    ├── OutputError   (OSError)       a file could not be written; an earlier file is untouched
    └── StoreError    (OSError)       a store of results could not be read or written; what it holds is untouched
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any, TypeVar

Choice = TypeVar("Choice", bound=str)

_MOST_CHARACTERS = 300


def python_argument(name: str, value: Any) -> str:
    """Return how an argument is named to a Python caller: `dtype='tf32'`, or `dtype` for the value `...`."""
    if value is ...:
        return name
    return f"{name}={(str(value) if isinstance(value, PurePath) else value)!r}"


class ArchbenchError(Exception):
    """Base of every error that a user can cause.

    `{name}` in the message stands for the argument of that name, given by keyword; `str()` shows it as Python does
    (`dtype='tf32'`), the command line as an option (`--dtype tf32`). The value `...` names an argument alone.
    `exit_code` is what the command line returns; `user_lines` are the lines of the user's own file that led here.
    """

    exit_code = 2
    user_lines: tuple[str, ...] = ()

    def __init__(self, message: str, **arguments: Any) -> None:
        self._message, self._arguments = message, arguments
        super().__init__(self.render(python_argument))

    def render(self, show_argument: Callable[[str, Any], str]) -> str:
        """Return the message, each argument in it as `show_argument(name, value)` writes it."""

        def shown(match: re.Match[str]) -> str:
            name = match[1]
            return show_argument(name, self._arguments[name]) if name in self._arguments else match[0]

        return re.sub(r"\{(\w+)\}", shown, self._message)


class UsageError(ArchbenchError, ValueError):
    """Arguments do not go together, or one has a value that is not a valid choice."""


class AddressError(ArchbenchError, LookupError):
    """An address names no model, or the builder it names refused the arguments."""


class InputError(ArchbenchError, ValueError):
    """A shape, a dtype or a batch size is malformed."""


class DataError(ArchbenchError, ValueError):
    """Images to train on are missing, cannot be read, or are not what they should be."""


class DeviceError(ArchbenchError, LookupError):
    """There is no device of that name, or it lacks the dtype or the memory that was asked of it."""


class ForwardError(ArchbenchError, RuntimeError):
    """The model does not run on the inputs it was given; `has_usual_input` if it has one, which they replaced."""

    has_usual_input = False


class MeasurementError(ArchbenchError, RuntimeError):
    """Something could not be measured reliably."""

    exit_code = 3


class OutputError(ArchbenchError, OSError):
    """A file could not be written; an earlier file of that name is untouched."""


class StoreError(ArchbenchError, OSError):
    """A store of results could not be read or written; what it holds is untouched."""


def choose(name: str, value: str, choices: Iterable[Choice]) -> Choice:
    """Return the choice that equals `value`.

    Raises UsageError, naming the argument, the choices and the nearest of them, if there is none.
    """
    known = tuple(choices)
    for choice in known:
        if choice == value:
            return choice
    hint = nearest(value, known, cutoff=0.6)
    raise UsageError(f"{{{name}}} is not one of {', '.join(known)}{hint}", **{name: value})


def first_line(error: BaseException) -> str:
    """Return `Type: first line` of an error; a first line that ends in a colon takes the next along."""
    try:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:  # the class is the user's own
        lines = ["its message cannot be shown"]
    text = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    return f"{type(error).__name__}: {text}".removesuffix(": ")[:_MOST_CHARACTERS]


def nearest(value: str, choices: Iterable[str], cutoff: float = 0.5) -> str:
    """Return `"; did you mean 'x'?"` for the choice most like `value`, or `""` if none reaches the cutoff."""
    best = nearest_choice(value, choices, cutoff)
    return "" if best is None else f"; did you mean '{best}'?"


def nearest_choice(value: str, choices: Iterable[str], cutoff: float = 0.5) -> str | None:
    """Return the choice most like `value`, the first of equals; None if none reaches the cutoff."""
    value = str(value)  # a Python caller may pass anything, such as a torch.dtype

    def likeness(choice: str) -> tuple[float, bool, int]:
        # Of equally similar choices the one with the same letters (vgg61 is vgg16), then the one that begins alike.
        matcher = difflib.SequenceMatcher(None, value.lower(), choice.lower())
        # The ratio of long texts takes time; lengths alone tell when it cannot reach the cutoff.
        ratio = matcher.ratio() if matcher.real_quick_ratio() >= cutoff else 0.0
        return ratio, sorted(choice) == sorted(value), _common_prefix(value, choice)

    best = max(choices, key=likeness, default="")
    return best if best and likeness(best)[0] >= cutoff else None


def _common_prefix(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
