"""The mistakes that archbench tells a user about.

One class a mistake; each also subclasses the builtin that a Python caller would expect.
The message is one line: the value, what was expected, the nearest valid choice.

    ArchbenchError
    ├── UsageError    (ValueError)    a command was called with arguments that do not go together
    ├── AddressError  (LookupError)   an address names no model, or its builder refused the arguments
    ├── InputError    (ValueError)    a shape, dtype or batch size is malformed
    ├── DataError     (ValueError)    there are no such images to train on, or they cannot be read or trusted
    ├── DeviceError   (LookupError)   there is no such device, or it lacks what was asked of it
    ├── ForwardError  (RuntimeError)  the model does not run on the inputs it was given
    ├── MeasurementError (RuntimeError) something could not be measured, or not so that it can be trusted (exit code 3)
    ├── OutputError   (OSError)       a file could not be written; what was there before is untouched
    └── StoreError    (OSError)       a store of results could not be read or written; what it holds is untouched
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ArchbenchError(Exception):
    """Base of every error that a user can cause.

    `exit_code` is what the command line returns; `user_lines` are the lines of the user's own file that led here.
    """

    exit_code = 2
    user_lines: tuple[str, ...] = ()


class UsageError(ArchbenchError, ValueError):
    """Arguments that are each valid do not go together."""


class AddressError(ArchbenchError, LookupError):
    """An address names no model, or the builder it names refused the arguments."""


class InputError(ArchbenchError, ValueError):
    """A shape, a dtype or a batch size is malformed."""


class DataError(ArchbenchError, ValueError):
    """There are no such images to train on, or they cannot be read, or are not what they should be."""


class DeviceError(ArchbenchError, LookupError):
    """There is no device of that name, or it lacks the dtype or the memory that was asked of it."""


class ForwardError(ArchbenchError, RuntimeError):
    """The model does not run on the inputs it was given."""


class MeasurementError(ArchbenchError, RuntimeError):
    """Something could not be measured, or not so that it can be trusted."""

    exit_code = 3


class OutputError(ArchbenchError, OSError):
    """A file could not be written; an earlier file of that name is untouched."""


class StoreError(ArchbenchError, OSError):
    """A store of results could not be read or written; what it holds is untouched."""


def nearest(value: str, choices: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the choice most like `value`, or `""` if none is alike."""

    def likeness(choice: str) -> tuple[float, bool, int]:
        # Of equally similar ones the one with the same letters (vgg61 is vgg16), then the one that begins alike.
        ratio = difflib.SequenceMatcher(None, value.lower(), choice.lower()).ratio()
        return ratio, sorted(choice) == sorted(value), _common_prefix(value, choice)

    best = max(choices, key=likeness, default="")
    return f"; did you mean '{best}'?" if likeness(best)[0] >= 0.5 else ""


def _common_prefix(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
