"""What the tests of commands share."""

from __future__ import annotations

import pytest

from cli.main import run


@pytest.fixture
def archbench(capsys):
    """Run the command line in this process and return its exit code, output and messages."""

    def call(*arguments):
        code = run(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
