from __future__ import annotations

from pathlib import Path

import pytest

import archbench
from archbench import errors


@pytest.mark.parametrize(
    ("value", "best"), [("vgg61", "vgg16"), ("VGG16", "vgg16"), ("alexnt", "alexnet"), ("resnet51", "resnet50")]
)
def test_the_nearest_choice_is_what_a_person_meant(value, best):
    choices = ["alexnet", "alexnet_owt", "resnet18", "resnet50", "vgg11", "vgg16", "vgg19"]
    assert errors.nearest(value, choices) == f"; did you mean '{best}'?"


def test_nothing_is_suggested_for_what_is_like_nothing():
    assert errors.nearest("qqqq", ["alexnet"]) == ""
    assert errors.nearest("alexnet", []) == ""


def test_every_error_is_a_builtin_too_and_bad_input_is_exit_code_2():
    subclasses = errors.ArchbenchError.__subclasses__()
    assert len(subclasses) == 9
    assert all(issubclass(cls, (ValueError, LookupError, RuntimeError, OSError)) for cls in subclasses)
    assert {cls.__name__: cls.exit_code for cls in subclasses if cls.exit_code != 2} == {"MeasurementError": 3}


def test_every_error_is_public():
    assert {cls.__name__ for cls in errors.ArchbenchError.__subclasses__()} <= set(archbench.__all__)


def test_an_error_names_its_arguments_as_python_does():
    error = errors.UsageError("{dtype} requires an NVIDIA GPU; see {device}", dtype="tf32", device=...)
    assert str(error) == "dtype='tf32' requires an NVIDIA GPU; see device"
    assert str(errors.UsageError("{out} is not empty", out=Path("runs/a"))) == "out='runs/a' is not empty"
    assert str(errors.OutputError("cannot write '{x}'")) == "cannot write '{x}'"
    assert str(errors.StoreError("{store} is locked by {user}", store="{user}")) == "store='{user}' is locked by {user}"


def test_choose_returns_the_choice_or_names_argument_choices_and_the_nearest():
    assert errors.choose("mode", "eval", ("eval", "train")) == "eval"
    with pytest.raises(errors.UsageError, match=r"^mode='trian' is not one of eval, train; did you mean 'train'\?$"):
        errors.choose("mode", "trian", ("eval", "train"))
    with pytest.raises(errors.UsageError, match=r"^mode=None is not one of eval, train$"):
        errors.choose("mode", None, ("eval", "train"))
    # Unlike all choices: "good" and "oom" share two letters of seven, and no status is suggested.
    with pytest.raises(errors.UsageError, match=r"^status='good' is not one of ok, oom$"):
        errors.choose("status", "good", ("ok", "oom"))


def test_the_first_line_of_an_error_takes_along_what_a_colon_announces():
    assert errors.first_line(ValueError("shapes differ\nsee the log")) == "ValueError: shapes differ"
    assert errors.first_line(RuntimeError("Error in forward:\n  sizes do not match\nmore")) == (
        "RuntimeError: Error in forward: sizes do not match"
    )
    assert errors.first_line(KeyError()) == "KeyError"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        # What torch adds after the first line is the same for all, and helps its developers.
        (
            RuntimeError(
                "CUDA error: out of range\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions."
            ),
            "RuntimeError: CUDA error: out of range",
        ),
        (
            RuntimeError(
                "backend='inductor' raised:\nInvalidCxxCompiler: No working C++ compiler found\n\nSet TORCH_LOGS"
            ),
            "RuntimeError: backend='inductor' raised: InvalidCxxCompiler: No working C++ compiler found",
        ),
        (KeyError("conv"), "KeyError: 'conv'"),
        (NotImplementedError(), "NotImplementedError"),
    ],
)
def test_the_first_line_of_torchs_errors_says_what_failed(error, line):
    assert errors.first_line(error) == line
