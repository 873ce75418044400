"""Help screens: commands in groups with an example each, options grouped by purpose, lines that are never cut off."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

GROUPS = {
    "Look": "archbench compare alexnet vgg16 torchvision:resnet50",
    "Predict": "archbench memory vgg16 --mode train --fit 24GiB",
    "Measure": "archbench bench alexnet vgg16 --batch 1,32",
    "Learn": "archbench train lenet lenet5 --data digits",
    "Share": "archbench check net.py:Net --max-params 5M",
}
"""Groups of commands on the first screen, with an example for each."""

_START = "MODEL is an address: vgg16, torchvision:resnet50, net.py:Net (runs the file)."
_NEXT = "'archbench COMMAND --help' lists the options of a command."

# The purpose of each option, in the order in which help shows them.
_PURPOSES = {
    "Model": "seed",
    "Filter": "model status limit",
    "Input": "input batch",
    "Data": "data download size augment",
    "Training": "recipe lr epochs steps minutes seeds init vary plan",
    "Execution": "device mode dtype layout compile graphs optimizer optimizer-form weight-decay checkpoint attention "
    "threads efficiency",
    "Several devices": "devices global-batch interconnect",
    "Whole training": "dataset epochs price",
    "Measurement": "phases processes max-seconds cold versus max-slowdown rerun trace",
    "Limits": "max-params max-macs max-flops max-param-bytes max-peak-memory against update",
    "Claims": "claims strict",
    "Table": "fit layers timeline plans all baseline measured trained published sweep depth top sort columns percent "
    "measure from source",
    "Picture": "style layer by width height scale threshold sheet",
    "Store": "store run import",
    "Run folder": "out resume checkpoint-every tensorboard store",
    "Output": "format output csv raw yes quiet help version install-completion show-completion",
}
_WIDEST_NAME = 26
# Where a command uses an option for another purpose.
_PURPOSES_IN = {
    "results": {"Filter": "mode device dtype batch published"},
    "train": {
        "Data": "batch",
        "Training": "epochs",
        "Execution": "processes",
        "Run folder": "store",
    },
    "predict": {"Model": "model"},
    "draw": {"Picture": "depth"},
    "compare": {"Table": "device"},
    "plot": {"Picture": "published source sweep"},
}


def purpose_of(command: str, option: str) -> str:
    """Return the heading under which a command's help shows an option, which is written without dashes."""
    for purposes in (_PURPOSES_IN.get(command, {}), _PURPOSES):
        for purpose, names in purposes.items():
            if option in names.split():
                return purpose
    return "Other"


class HelpCommand(TyperCommand):
    """A command whose help groups the options by purpose and shows no Python types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the command's name on the usage line."""
        return ["[OPTIONS]", *(str(param.metavar) for param in self.get_params(ctx) if _is_argument(param))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options by purpose."""
        _write_params(self, ctx, formatter)


class HelpGroup(TyperGroup):
    """A group whose help shows the commands by their groups, each described in a line."""

    command_class = HelpCommand

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options by purpose."""
        self.format_commands(ctx, formatter)
        _write_params(self, ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # as the library calls it
        """Write the commands, each group below its example."""
        shown: list[Any] = [command for command in self.commands.values() if not command.hidden]
        width = max(len(command.name or "") for command in shown)
        for group in dict.fromkeys(command.rich_help_panel for command in shown):
            rows = [_described(command, width) for command in shown if command.rich_help_panel == group]
            formatter.write_paragraph()
            if group in GROUPS:
                formatter.write(f"{group + ':':<{width + 2}}  $ {GROUPS[group]}\n")
            else:
                formatter.write("Commands:\n")
            with formatter.indentation():
                formatter.write_dl(rows)


class FirstScreen(HelpGroup):
    """The help of `archbench` itself."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # as the library calls it
        """Write what MODEL stands for, and where the options of a command are listed."""
        formatter.write(f"\n{self.help}\n{_START}\n{_NEXT}\n")


def _described(command: Any, width: int) -> tuple[str, str]:
    """Return a command's name and its whole first sentence."""
    return f"{command.name:<{width}}", command.get_short_help_str(limit=1000)


def _write_params(command: Any, ctx: Any, formatter: Any) -> None:
    shown = [param for param in command.get_params(ctx) if not getattr(param, "hidden", False)]
    _write_arguments([param for param in shown if _is_argument(param)], formatter)
    purposes: dict[str, list[tuple[str, str]]] = {}
    for param in shown:
        if not _is_argument(param):
            purpose = purpose_of(command.name, max(param.opts, key=len).lstrip("-"))
            purposes.setdefault(purpose, []).append(option_row(param, ctx))
    names = [name for rows in purposes.values() for name, _ in rows]
    width = max((len(name) for name in names if len(name) <= _WIDEST_NAME), default=0)
    for purpose in sorted(purposes, key=[*_PURPOSES, "Other"].index):
        with formatter.section(purpose if len(purposes) > 1 else "Options"):
            formatter.write_dl([(f"{name:<{width}}", meaning) for name, meaning in purposes[purpose]], col_max=width)


def _write_arguments(arguments: list[Any], formatter: Any) -> None:
    """Write the arguments; one that takes a choice of lines gets a section of its own."""
    single = [param for param in arguments if "\n" not in (param.help or "")]
    for param in arguments:
        if param not in single:
            with formatter.section(param.metavar):
                formatter.write_dl([tuple(line.split(": ", 1)) for line in param.help.splitlines()], col_max=34)
    if single:
        with formatter.section("Arguments"):
            formatter.write_dl([(param.metavar, param.help) for param in single])


def option_row(param: Any, ctx: Any) -> tuple[str, str]:
    """Return an option with its placeholder or choices, and its meaning with the default."""
    name, meaning = param.get_help_record(ctx)
    without_range = re.sub(r"  \[x[<>]=[^]]*\]$|; x[<>]=[^];]*", "", meaning)
    return re.sub(r"<([^<>]*)>$", r"\1", name), without_range


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")
