"""The options of a command as a table in Markdown, made from the command itself."""

from __future__ import annotations

import re
from typing import Any

import typer

from cli.help_screens import option_row
from cli.main import app

_PLACE = re.compile(r"(<!-- options of ([a-z ]+), written by make docs -->\n).*?(<!-- end of options -->)", re.DOTALL)


def with_options(text: str) -> str:
    """Return a page with the table of options between its two comments as the command has them today."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{options_table(place[2])}\n{place[3]}", text)


def commands() -> list[str]:
    """Return the names of all commands, in the order of `archbench --help`."""
    return list(_group().commands)


def find_command(name: str) -> Any:
    """Return the command of a name such as `bench` or `results compare`; KeyError for none."""
    command = _group()
    for part in name.split():
        command = command.commands[part]
    return command


def options_table(name: str) -> str:
    """Return one row an argument or option of a command that `--help` shows, but `--help` itself."""
    command = find_command(name)
    context = typer.Context(command, info_name=name)
    shown = [param for param in command.params if not getattr(param, "hidden", False) and "--help" not in param.opts]
    rows = [_row(param, context) for param in shown]
    return "\n".join(["| option | value | default | meaning |", "|---|---|---|---|", *rows, ""])


def _row(param: Any, context: typer.Context) -> str:
    is_argument = param.param_type_name == "argument"
    names = param.metavar.strip("[]").split("|") if is_argument else param.opts
    value = "" if is_argument or param.is_flag else _value(param, context)
    return f"| {', '.join(map(_code, names))} | {value} | {_default(param)} | {_escaped(_help(param))} |"


def _value(param: Any, context: typer.Context) -> str:
    """Return what is written after an option: its placeholder, or its choices."""
    written = option_row(param, context)[0].rsplit(" ", 1)[1]
    return ", ".join(map(_code, written.split("|")))


def _default(param: Any) -> str:
    if param.required:
        return "required"
    default = getattr(param.default, "value", param.default)
    if default is None or param.param_type_name == "argument" or isinstance(default, bool):
        return ""
    return _code(str(int(default) if isinstance(default, float) and default.is_integer() else default))


def _code(text: str) -> str:
    return f"`{text}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _group() -> Any:
    return typer.main.get_command(app)


def _help(param: Any) -> str:
    return "; ".join((param.help or "").splitlines())
