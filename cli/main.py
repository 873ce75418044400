"""The `archbench` command: the only place where an error becomes one line and an exit code."""

from __future__ import annotations

import copy
import gc
import io
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer

import archbench
from archbench.errors import ArchbenchError, first_line
from archbench.reporting.export.encoding import ASCII_FALLBACKS
from cli.commands.bench import bench
from cli.commands.check import check
from cli.commands.compare import compare
from cli.commands.costs import costs
from cli.commands.devices import devices
from cli.commands.diff import diff
from cli.commands.draw import draw
from cli.commands.estimate import estimate
from cli.commands.explain import explain
from cli.commands.history import history
from cli.commands.list import list_models
from cli.commands.memory import memory
from cli.commands.plot import plot
from cli.commands.predict import predict
from cli.commands.profile import profile
from cli.commands.report import report
from cli.commands.results import results
from cli.commands.summary import summary
from cli.commands.train import train
from cli.commands.verify import verify
from cli.errors import command_line_message, message
from cli.help_screens import FirstScreen, HelpCommand
from cli.option_names import add_short_forms, without_aliases
from cli.output import ReaderLeftError, be_quiet, emit, note, results_apart, warn

# The base of all errors in a command line; typer has no public name for it.
_CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]


class _Commands(FirstScreen):
    """Commands that each accept the group's --quiet, --help and --version after their names, too.

    While a command runs, what a model prints goes to standard error.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        shared = [option for option in self.params if option.opts[0] in ("--quiet", "--help")]
        version: Any = copy.copy(next(option for option in self.params if option.opts[0] == "--version"))
        version.hidden = True
        commands = list(self.commands.values())
        for command in commands:
            command.params += [*shared, version]
            add_short_forms(command)
            commands += getattr(command, "commands", {}).values()
        add_short_forms(self)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, and its own arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, without_aliases(rest, command)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with results_apart():
            return super().invoke(ctx)


app = typer.Typer(
    name="archbench",
    cls=_Commands,
    help="Analyse, compare and benchmark neural-network architectures.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _hush(quiet: bool) -> None:
    if quiet:
        be_quiet()


def _show_help(context: typer.Context, is_wanted: bool) -> None:
    # Typer's own option does not report a failed write.
    if is_wanted and not context.resilient_parsing:
        emit(f"{context.get_help()}\n")
        raise typer.Exit


def _show_version(context: typer.Context, is_wanted: bool) -> None:
    if is_wanted and not context.resilient_parsing:
        from importlib.metadata import version

        emit(f"archbench {version('archbench')}\n")
        raise typer.Exit


Quiet = Annotated[
    bool,
    typer.Option("--quiet", help="Print the bare result: no notes, no progress.", callback=_hush, expose_value=False),
]
Help = Annotated[
    bool,
    typer.Option("--help", help="Show this message and exit.", callback=_show_help, is_eager=True, expose_value=False),
]
Version = Annotated[
    bool,
    typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True, expose_value=False),
]


@app.callback()
def _options(
    context: typer.Context,
    _version: Version = False,
    _quiet: Quiet = False,
    _help: Help = False,
) -> None:
    if context.invoked_subcommand is None:
        emit(f"{context.get_help()}\n")


_GROUPS: dict[str, tuple[Any, ...]] = {
    "Look": (list_models, summary, compare, explain, diff, draw, costs, history, verify),
    "Predict": (memory, estimate, devices),
    "Measure": (bench, profile, results),
    "Learn": (train, predict),
    "Share": (plot, report, check),
}
for _group, _commands in _GROUPS.items():
    for _command in _commands:
        if isinstance(_command, typer.Typer):
            app.add_typer(_command, rich_help_panel=_group)
        else:
            _name = _command.__name__.removesuffix("_models")
            app.command(_name, cls=HelpCommand, rich_help_panel=_group)(_command)


class TerminatedError(BaseException):
    """The process was asked to end: unwinds the stack past all error handlers, so that files are cleaned up."""


def main() -> None:
    """Run the command line and exit with its code."""
    archbench._resume_gc = _resume_gc
    sys.exit(run(sys.argv[1:]))


def _resume_gc() -> None:
    """Turn garbage collection on, for new objects only: modules are never garbage, and scanning them takes time."""
    gc.freeze()
    gc.enable()


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    0 done, 2 wrong use or bad input, 70 an internal error, 130 or 143 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ASCII_FALLBACKS)
    be_quiet(False)
    if arguments and arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    try:
        with _termination_raised(), _notes_printed():
            code = app(list(arguments), standalone_mode=False, prog_name="archbench")
        if code == 130:  # as typer returns for a Ctrl-C
            return _complain("interrupted", code)
        return code if isinstance(code, int) else 0
    except ArchbenchError as error:
        for line in error.user_lines:
            warn(line)
        return _complain(message(error, command), error.exit_code)
    except _CommandLineError as error:
        return _complain(command_line_message(error), 2)
    except (typer.Abort, KeyboardInterrupt):
        return _complain("interrupted", 130)
    except TerminatedError:
        return _complain("terminated", 143)
    except ReaderLeftError:
        return 0
    except SystemExit as exit_request:
        # Typer's exit when nothing reads its completion script.
        if isinstance(exit_request.__context__, BrokenPipeError):
            return 0
        raise
    except BaseException as error:  # also what a model raises: GeneratorExit, or an error that cannot be printed
        return _complain_of_defect(error)


def _complain_of_defect(error: BaseException) -> int:
    """Print an error that nothing else handles as one line, or with its traceback if the user wants it."""
    if os.environ.get("ARCHBENCH_TRACEBACK"):
        warn("".join(traceback.format_exception(error)).rstrip())
    return _complain(f"internal error: {first_line(error)}; ARCHBENCH_TRACEBACK=1 shows where", 70)


def _complain(text: str, code: int) -> int:
    warn(f"archbench: {' '.join(text.split())}")
    return code


@contextmanager
def _termination_raised() -> Iterator[None]:
    """Raise TerminatedError on SIGTERM; handlers can be set in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise TerminatedError


class _NoteHandler(logging.Handler):
    """Prints the library's notes, and its warnings also with --quiet."""

    def emit(self, record: logging.LogRecord) -> None:
        (warn if record.levelno >= logging.WARNING else note)(record.getMessage())


@contextmanager
def _notes_printed() -> Iterator[None]:
    """Print what the library logs to standard error."""
    log, handler = logging.getLogger("archbench"), _NoteHandler()
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before
