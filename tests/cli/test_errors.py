from __future__ import annotations

from pathlib import Path

import pytest

from archbench.errors import UsageError
from cli.errors import message, with_nearest


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"dtype": "tf32"}, "--dtype tf32"),
        ({"max_params": ...}, "--max-params"),
        ({"compile": True}, "--compile"),
        ({"batch": [1, 32]}, "--batch 1,32"),
        ({"inputs": "3x224x224"}, "--input 3x224x224"),
        ({"output": Path("a.csv")}, "--output a.csv"),
        ({"epochs": 2.0}, "--epochs 2"),
        ({"models": ...}, "MODEL"),
    ],
)
def test_a_python_argument_is_shown_as_the_option_of_the_command(arguments, shown):
    (name,) = arguments
    assert message(UsageError(f"{{{name}}} has no effect", **arguments), "summary") == f"{shown} has no effect"


def test_check_calls_its_baseline_against():
    error = UsageError("{baseline} is not a summary", baseline="old.json")
    assert message(error, "check") == "--against old.json is not a summary"
    assert message(error, "compare") == "--baseline old.json is not a summary"


def test_an_unknown_choice_names_the_nearest():
    text = "Invalid value for '--mode': Value error, 'trian' is not one of 'eval', 'train'."
    assert with_nearest(text) == (
        "Invalid value for '--mode': 'trian' is not one of 'eval', 'train'; did you mean 'train'?"
    )
    assert with_nearest("Missing argument 'MODEL'.") == "Missing argument 'MODEL'."
