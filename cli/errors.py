"""Errors of the library as one line for the command line: Python arguments by the names of their options."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from archbench.errors import ArchbenchError, nearest, nearest_choice
from cli.option_names import options_of

# Options and arguments that are not named as in Python; a command may have its own name for one.
_NAMES = {"inputs": "--input", "model": "MODEL", "models": "MODEL"}
_NAMES_IN = {
    "check": {"baseline": "--against"},
    "estimate": {"count": "--devices", "devices": "--device"},
    "list": {"source": "--from"},
    "plot": {"kind": "KIND"},
}
# For commands that take one model, one with a row for each of several.
_FOR_SEVERAL = {
    "summary": "compare",
    "explain": "compare",
    "check": "compare",
    "diff": "compare",
    "profile": "bench",
    "draw": "report",
}


def message(error: ArchbenchError, command: str) -> str:
    """Return an error's message with each Python argument as the option of a command."""
    return error.render(partial(_option, command))


def command_line_message(error: Any) -> str:
    """Return the message of a command line that typer refuses, with the nearest valid choice."""
    extra = re.fullmatch(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", error.format_message())
    if extra is not None and error.ctx is not None:
        return _too_many(error.ctx.command.name, extra[1])
    unknown = getattr(error, "option_name", None)
    if unknown is None or error.ctx is None or not hasattr(error, "possibilities"):
        return with_nearest(error.format_message())
    words = [option.removeprefix("--") for option in options_of(error.ctx.command)]
    near = nearest_choice(unknown.lstrip("-"), words, cutoff=0.6)
    hint = f"did you mean '--{near}'?" if near else f"'{error.ctx.command_path} --help' lists the options"
    return f"there is no option '{unknown}'; {hint}"


def _too_many(command: str, extra: str) -> str:
    """Return that a command does not take more arguments, with the one that takes several models."""
    several = _FOR_SEVERAL.get(command)
    hint = f"; 'archbench {several}' takes several models" if several else f"; see 'archbench {command} --help'"
    return f"{command} takes no more arguments, but got '{extra}'{hint}"


def with_nearest(text: str) -> str:
    """Return the message that typer has for an unknown choice with the nearest one; others as they are."""
    unknown = re.search(r"'([^']*)' is not one of ('.*')\.?$", text)
    if unknown is None:
        return text
    plain = text.replace("Value error, ", "").rstrip(".")
    return plain + nearest(unknown[1], re.findall(r"'([^']*)'", unknown[2]))


def _option(command: str, name: str, value: Any) -> str:
    option = _NAMES_IN.get(command, {}).get(name) or _NAMES.get(name) or f"--{name.replace('_', '-')}"
    if value is ... or value is True:
        return option
    if name == "inputs" and isinstance(value, (list, tuple)):
        return " ".join(f"{option} {each}" for each in value)
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    return f"{option} {value:g}" if isinstance(value, float) else f"{option} {_text(value)}"


def _text(value: Any) -> str:
    return str(value) if isinstance(value, (str, int, Path)) else repr(value)
