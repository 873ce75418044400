from __future__ import annotations

import inspect
from importlib import import_module

import pytest

import archbench

NAMES = [name for name in archbench.__all__ if name != "__version__"]


def test_the_public_names_are_a_sorted_list():
    assert archbench.__all__ == sorted(archbench.__all__)
    assert set(NAMES) == set(archbench._MODULES)
    assert archbench.__version__.count(".") >= 1
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = archbench.no_such_name


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_the_same_object_from_the_package_and_from_its_module(name):
    module = import_module(f"archbench.{archbench._MODULES[name]}")
    value = getattr(archbench, name)
    assert value is getattr(module, name)
    # Once more, after the module was imported: a submodule of that name would have taken its place.
    assert getattr(archbench, name) is value
    assert value.__name__ == name


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_has_a_docstring_and_a_function_annotates_all_it_takes(name):
    value = getattr(archbench, name)
    assert inspect.getdoc(value)
    if inspect.isfunction(value):
        parameters = inspect.signature(value).parameters.values()
        assert all(parameter.annotation is not inspect.Parameter.empty for parameter in parameters)
