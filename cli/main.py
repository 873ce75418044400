"""The `archbench` command. Only here does an error become one line and an exit code."""

from __future__ import annotations

import gc
import io
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from archbench.errors import ArchbenchError
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
from cli.output import ReaderLeftError, be_quiet, emit, warn

# The base of all complaints about the command line; typer gives it no public name.
_CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]


class _Commands(TyperGroup):
    """Commands that each take the group's --quiet and --help behind their names, too."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        shared = [option for option in self.params if option.opts[0] in ("--quiet", "--help")]
        commands = list(self.commands.values())
        for command in commands:
            command.params += shared
            commands += getattr(command, "commands", {}).values()


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
    # Typer's own writes without a word on what hinders it.
    if is_wanted and not context.resilient_parsing:
        emit(f"{context.get_help()}\n")
        raise typer.Exit


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", help="Say errors and doubts only: no notes, no progress.", callback=_hush, expose_value=False
    ),
]
Help = Annotated[
    bool,
    typer.Option("--help", help="Show this message and exit.", callback=_show_help, is_eager=True, expose_value=False),
]


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    _quiet: Quiet = False,
    _help: Help = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        emit(f"archbench {installed('archbench')}\n")
    elif context.invoked_subcommand is None:
        emit(f"{context.get_help()}\n")


app.command("list")(list_models)
app.command()(summary)
app.command()(compare)
app.command()(explain)
app.command()(check)
app.command()(diff)
app.command()(verify)
app.command()(history)
app.command()(draw)
app.command()(memory)
app.command()(devices)
app.command()(estimate)
app.command()(bench)
app.command()(profile)
app.add_typer(results)
app.command()(plot)
app.command()(report)
app.command()(train)
app.command()(predict)
app.command()(costs)


class TerminatedError(BaseException):
    """The process is asked to end: unwinds the stack, past everything that handles errors, so that files are tidied."""


def main() -> None:
    """Run the command line and leave with the exit code that the contract gives it."""
    # Modules are no garbage; looking for some among torch's takes a seventh of the time that importing it takes.
    gc.disable()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 2 wrong use or bad input, 130 or 143 interrupted."""
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ASCII_FALLBACKS)
    be_quiet(False)
    try:
        code = app(list(arguments), standalone_mode=False, prog_name="archbench")
        return code if isinstance(code, int) else 0
    except ArchbenchError as error:
        for line in error.user_lines:
            warn(line)
        return _complain(str(error), error.exit_code)
    except _CommandLineError as error:
        return _complain(error.format_message(), 2)  # type: ignore[attr-defined]  # has it, see its name above
    except (typer.Abort, KeyboardInterrupt):
        return _complain("interrupted", 130)
    except TerminatedError:
        return _complain("terminated", 143)
    except ReaderLeftError:
        return 0
    except SystemExit as way_out:
        # As typer leaves when nobody reads its script for completion.
        if isinstance(way_out.__context__, BrokenPipeError):
            return 0
        raise


def _complain(message: str, code: int) -> int:
    warn(f"archbench: {' '.join(message.split())}")
    return code


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise TerminatedError
