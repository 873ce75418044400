"""The `archbench` command. Only here does an error become one line and an exit code."""

from __future__ import annotations

import gc
import io
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from archbench.errors import ArchbenchError
from cli.bench import bench
from cli.check import check
from cli.compare import compare
from cli.costs import costs
from cli.devices import devices
from cli.diff import diff
from cli.draw import draw
from cli.estimate import estimate
from cli.explain import explain
from cli.history import history
from cli.list import list_models
from cli.memory import memory
from cli.output import ReaderLeftError
from cli.plot import plot
from cli.predict import predict
from cli.profile import profile
from cli.report import report
from cli.results import results
from cli.summary import summary
from cli.train import train
from cli.verify import verify

# The base of all complaints about the command line; typer gives it no public name.
_CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="archbench",
    help="Analyse, compare and benchmark neural-network architectures.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"archbench {installed('archbench')}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


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
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no × shows a ?
    try:
        code = app(list(arguments), standalone_mode=False, prog_name="archbench")
        return code if isinstance(code, int) else 0
    except ArchbenchError as error:
        for line in error.user_lines:
            print(line, file=sys.stderr)
        return _complain(str(error), error.exit_code)
    except _CommandLineError as error:
        return _complain(error.format_message(), 2)  # type: ignore[attr-defined]  # has it, see its name above
    except (typer.Abort, KeyboardInterrupt):
        return _complain("interrupted", 130)
    except TerminatedError:
        return _complain("terminated", 143)
    except ReaderLeftError:
        return 0


def _complain(message: str, code: int) -> int:
    print(f"archbench: {' '.join(message.split())}", file=sys.stderr)
    return code


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise TerminatedError
