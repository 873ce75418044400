"""Run the user's own code in its own working directory and with its own modules, and all else without them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

# The folder that holds this package, and the packages beside it that a user's own modules may be named like.
_DISTRIBUTION = Path(__file__).resolve().parents[2]
_PACKAGES = ("cli", "zoo")


def load_own_package(name: str) -> None:
    """Import a package of this distribution from beside `archbench`, whatever else of that name can be imported."""
    with NAMESAKES.put_aside():
        if name in sys.modules:
            return
        spec = PathFinder.find_spec(name, [str(_DISTRIBUTION)])
        if spec is None or spec.loader is None:  # installed elsewhere, for example in an editable way
            return
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        spec.loader.exec_module(package)


def import_variables() -> dict[str, str]:
    """Return environment variables with which `python -m` finds this package, not one in the working directory."""
    variables = {"PYTHONSAFEPATH": "1"}
    if not {"site-packages", "dist-packages"} & set(_DISTRIBUTION.parts):
        given = os.environ.get("PYTHONPATH")
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_DISTRIBUTION), given)))
    return variables


@contextmanager
def without_user_modules() -> Iterator[None]:
    """Import what is installed: the user's modules named as packages of this distribution are put aside."""
    with NAMESAKES.put_aside():
        yield


@contextmanager
def running_user_code() -> Iterator[None]:
    """Run the user's own code: in the directory that it last changed to, and with its own modules importable.

    On exit the working directory is again what it was, so that relative paths mean what they meant before.
    """
    with _DIRECTORY.users(), NAMESAKES.put_in_place():
        yield


class _UserDirectory:
    """Keeps the working directory that the user's code has changed to apart from the caller's."""

    def __init__(self) -> None:
        self._changed: tuple[str, str] | None = None

    @contextmanager
    def users(self) -> Iterator[None]:
        """Work in the directory that the user's code has changed to, if the caller is still where it was then."""
        before = _working_directory()
        if self._changed is not None and self._changed[0] == before:
            _change_directory(self._changed[1])
        try:
            yield
        finally:
            after = _working_directory()
            self._changed = None if after == before or not before or not after else (before, after)
            if after != before:
                _change_directory(before)


def _working_directory() -> str:
    """Return the working directory, `""` if it was removed."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""


def _change_directory(path: str) -> None:
    with suppress(OSError):  # it was removed
        os.chdir(path)


class Namesakes:
    """Keeps the user's modules apart from packages of this distribution with the same names."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._aside: dict[str, ModuleType] = {}
        self._are_users_in_place = False

    def look_in(self, home: Path) -> None:
        """Note which of the names are also those of modules in a folder of the user's."""
        if home != _DISTRIBUTION:
            with self.put_aside():
                self._names |= {name for name in _PACKAGES if _has_module(home, name)}

    def forget(self) -> None:
        """Forget the user's modules, when another folder becomes the user's."""
        with self.put_aside():
            self._names.clear()
            self._aside.clear()

    @contextmanager
    def put_in_place(self, are_users: bool = True) -> Iterator[None]:
        """Have the user's modules in `sys.modules`, or those of the distribution, within a block."""
        if not self._names or are_users == self._are_users_in_place:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @contextmanager
    def put_aside(self) -> Iterator[None]:
        """Have the packages of the distribution in `sys.modules` within a block."""
        with self.put_in_place(are_users=False):
            yield

    def _swap(self) -> None:
        present = [name for name in sys.modules if name.partition(".")[0] in self._names]
        present_modules = {name: sys.modules.pop(name) for name in present}
        sys.modules.update(self._aside)
        self._aside = present_modules
        self._are_users_in_place = not self._are_users_in_place


def _has_module(home: Path, name: str) -> bool:
    return (home / f"{name}.py").is_file() or (home / name / "__init__.py").is_file()


_DIRECTORY = _UserDirectory()
NAMESAKES = Namesakes()
