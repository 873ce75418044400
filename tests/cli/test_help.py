"""Help screens: groups of commands, purposes of options, nothing cut off in 80 columns."""

from __future__ import annotations

import re
import shlex

import pytest

from archbench.reporting.charts.catalogue import KINDS
from cli.help_screens import GROUPS, purpose_of
from tools.docs_options import commands, find_command

NAMES = [*commands(), "results compare", "results trainings"]
# The groups that the contract promises.
PROMISED = {
    "Look": "list summary compare explain diff draw costs history verify",
    "Predict": "memory estimate devices",
    "Measure": "bench profile results",
    "Learn": "train predict",
    "Share": "plot report check",
}


@pytest.fixture
def help_of(archbench, monkeypatch):
    """Return the lines of a help screen in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def lines(*command):
        code, out, err = archbench(*command, "--help")
        assert (code, err) == (0, "")
        return out.splitlines()

    return lines


def test_the_first_screen_has_every_command_in_its_group_below_an_example(help_of):
    shown, group = {}, None
    for line in help_of():
        if heading := re.match(r"(\w+): +\$ archbench (\w+)", line):
            group = heading[1]
            shown[group] = []
            assert heading[2] in PROMISED[group].split()
        elif line == "Options:":
            group = None
        elif group and (command := re.match(r"  (\w+) +\w", line)):
            shown[group].append(command[1])
    assert {group: " ".join(names) for group, names in shown.items()} == PROMISED


def test_the_first_screen_fits_a_terminal_and_cuts_nothing_off(help_of):
    lines = help_of()
    assert len(lines) <= 45
    assert not any("..." in line for line in lines[1:])
    # A command is described on its own line.
    assert not any(re.match(r" {10,21}\S", line) for line in lines if "customize" not in line)


@pytest.mark.parametrize("example", GROUPS.values())
def test_the_examples_of_the_first_screen_are_commands(example):
    name, *arguments = shlex.split(example)[1:]
    command = find_command(name)
    options = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in arguments if word.startswith("-") and word not in options] == []


@pytest.mark.parametrize("name", NAMES)
def test_help_fits_80_columns_and_shows_no_python_types(help_of, name):
    lines = help_of(*name.split())
    assert [line for line in lines if len(line) > 80] == []
    assert not any(re.search(r"list\[|<\w+>|[{}]|\[x[<>]", line) for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_purpose_and_a_meaning(name):
    command = find_command(name)
    shown = [param for param in command.params if param.param_type_name == "option" and not param.hidden]
    options = [max(param.opts, key=len).lstrip("-") for param in shown]
    assert [option for option in options if purpose_of(command.name, option) == "Other"] == []
    assert [option for option, param in zip(options, shown, strict=True) if not (param.help or "").endswith(".")] == []


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("compare", "MODEL..."),
        ("diff", "A B"),
        ("explain", "MODEL [LAYER]"),
        ("predict", "RUN IMAGE..."),
        ("plot", "KIND [MODEL...|RUN]"),
        ("verify", "[MODEL]"),
        ("list", "[PATTERN]"),
    ],
)
def test_usage_lines_name_the_arguments_as_the_documentation_does(help_of, name, usage):
    assert help_of(name)[0] == f"Usage: archbench {name} [OPTIONS] {usage}"


def test_kinds_of_plot_have_a_line_each(help_of):
    lines = help_of("plot")
    section = lines[lines.index("KIND:") + 1 :]
    kinds = section[: section.index("")]
    assert [line.split()[0] for line in kinds] == list(KINDS)


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("summary", ("MAC", "FLOP", "Neurons")),
        ("compare", ("MAC", "FLOP")),
        ("check", ("MAC", "FLOP")),
        ("explain", ("MAC", "FLOP")),
        ("diff", ("MAC",)),
        ("history", ("MAC",)),
        ("memory", ("peak", "Saved")),
        ("estimate", ("Of peak", "Bound by", "90% interval")),
        ("bench", ("Of peak", "95% interval")),
        ("profile", ("gaps",)),
        ("train", ("95% interval",)),
        ("costs", ("uncounted",)),
    ],
)
def test_help_defines_the_terms_of_a_command_s_table(help_of, name, terms):
    text = " ".join(help_of(name)).partition("Arguments:")[0]
    assert [term for term in terms if term not in " ".join(text.split())] == []
