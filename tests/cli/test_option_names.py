"""Short forms of options, the names that other tools have for them, and unknown options."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest
import typer

from cli.main import app
from cli.option_names import options_of, without_aliases


def commands(group=None, path=()):
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


def test_h_and_v_work_in_every_command(archbench):
    assert archbench("-V")[1] == f"archbench {version('archbench')}\n"
    for path, _ in [((), None), *commands()]:
        code, out, err = archbench(*path, "-h")
        assert (code, err, out) == (0, "", archbench(*path, "--help")[1])
        assert archbench(*path, "-V") == (0, f"archbench {version('archbench')}\n", "")


def test_every_output_is_also_o_and_every_batch_also_b():
    by_name = {
        name: parameter.opts for _, command in commands() for parameter in command.params for name in parameter.opts
    }
    assert by_name["--output"] == ["--output", "-o"]
    assert by_name["--batch"] == ["--batch", "-b"]
    for _, command in commands():
        for parameter in command.params:
            assert ("--output" in parameter.opts) == ("-o" in parameter.opts)
            assert ("--batch" in parameter.opts) == ("-b" in parameter.opts)


def test_summary_takes_b_and_o(archbench, tmp_path):
    assert archbench("summary", "lenet", "-b", "4", "-o", str(tmp_path / "a.json"))[0] == 0
    assert json.loads((tmp_path / "a.json").read_text())["batch"] == 4


@pytest.mark.parametrize("command", [(), ("memory",), ("results", "compare")])
def test_archbench_help_prints_the_help_of_a_command(archbench, command):
    assert archbench("help", *command) == archbench(*command, "--help")


@pytest.mark.parametrize(
    ("others", "own"),
    [
        (["--batch-size", "4"], ["--batch", "4"]),
        (["--batch-size=4"], ["--batch", "4"]),
        (["--amp"], ["--dtype", "amp"]),
        (["--channels-last"], ["--layout", "nhwc"]),
    ],
)
def test_memory_understands_the_names_of_other_tools(archbench, others, own):
    assert archbench("memory", "lenet", *others) == archbench("memory", "lenet", *own)
    assert others[0].partition("=")[0] not in archbench("memory", "--help")[1]


def test_words_after_two_dashes_are_no_options():
    command = dict(commands())[("memory",)]
    assert without_aliases(["--amp", "--", "--amp"], command) == ["--dtype", "amp", "--", "--amp"]
    assert "--fused" not in options_of(dict(commands())[("estimate",)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("summary lenet --fromat csv", "there is no option '--fromat'; did you mean '--format'?"),
        ("results compare --qiet", "there is no option '--qiet'; did you mean '--quiet'?"),
        ("--versio", "there is no option '--versio'; did you mean '--version'?"),
        ("summary lenet -x", "there is no option '-x'; 'archbench summary --help' lists the options"),
        ("bench lenet --zzz", "there is no option '--zzz'; 'archbench bench --help' lists the options"),
        ("summary lenet --amp", "there is no option '--amp'; 'archbench summary --help' lists the options"),
    ],
)
def test_an_unknown_option_names_the_nearest_or_the_help(archbench, arguments, message):
    assert archbench(*arguments.split()) == (2, "", f"archbench: {message}\n")
