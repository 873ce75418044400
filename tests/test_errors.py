from __future__ import annotations

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
