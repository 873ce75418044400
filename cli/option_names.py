"""Short forms of options, and the names that other tools have for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_SHORT = {"--help": "-h", "--output": "-o", "--batch": "-b", "--version": "-V"}

# What an option of another tool stands for; in commands that have the option it stands for.
_ALIASES = {
    "--batch-size": ("--batch",),
    "--channels-last": ("--layout", "nhwc"),
    "--amp": ("--dtype", "amp"),
}


def add_short_forms(command: Any) -> None:
    """Let a command's options be written in their short forms, too."""
    for parameter in command.params:
        added = (_SHORT[option] for option in parameter.opts if option in _SHORT)
        parameter.opts += [short for short in added if short not in parameter.opts]


def without_aliases(arguments: Sequence[str], command: Any) -> list[str]:
    """Return the arguments of a command, names from other tools replaced by the command's own options."""
    own = options_of(command)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [word for each in arguments[:end] for word in _own_words(each, own)] + list(arguments[end:])


def options_of(command: Any) -> list[str]:
    """Return the options of a command that its help shows, long forms only."""
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    return [option for parameter in shown for option in parameter.opts if option.startswith("--")]


def _own_words(argument: str, own: Sequence[str]) -> tuple[str, ...]:
    name, equals, value = argument.partition("=")
    words = _ALIASES.get(name, ())
    if not words or words[0] not in own or name in own:
        return (argument,)
    return (f"{words[0]}={value}",) if equals and len(words) == 1 else words if not equals else (argument,)
