"""Load the user's own code: a module by name, or a file with the modules beside it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from pathlib import Path
from types import ModuleType

from archbench.errors import AddressError, first_line
from archbench.models.file_names import is_file
from archbench.models.user_context import NAMESAKES, running_user_code

# Libraries and this package itself may lie below a user's folder.
_LIBRARIES = (Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("stdlib")), Path(__file__).parents[1])


def import_module(name: str, address: str) -> ModuleType:
    """Import a module by name, also from the working directory. Raises AddressError if that fails."""
    if not name or name.startswith("."):
        raise AddressError(f"'{address}' names no module; write package.module:Name or path/to/file.py:Name")
    home = Path.cwd()
    NAMESAKES.look_in(home)
    sys.path.insert(0, str(home))
    try:
        with running_user_code():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise AddressError(f"{address}: there is no module '{error.name}' to import") from error
        raise _loading_failed(name, home, error) from error  # the module exists but imports one that does not
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise _loading_failed(name, home, error) from error
    finally:
        sys.path.remove(str(home))


def load_file(path: Path) -> ModuleType:
    """Run a file as a module, with the modules beside it importable. Raises AddressError if that fails."""
    if not is_file(path):
        raise AddressError(f"there is no file '{path}'")
    home = path.resolve().parent
    _SIBLINGS.enter(home)
    NAMESAKES.look_in(home)
    absolute = path.absolute()
    with running_user_code():
        return _execute(absolute, path)


def _execute(path: Path, shown: Path) -> ModuleType:
    """Run a file as a module; errors name it as `shown`."""
    # Its own name, as if imported, unless another module has it: a second net.py, a random.py.
    is_taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"{path.stem}_{len(sys.modules)}" if is_taken else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file has a specification"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise _loading_failed(str(shown), path.resolve().parent, error) from error
    return module


class _SiblingModules:
    """Makes the modules beside the file being loaded importable, and those of the previous file's folder not.

    Two folders may each have a `blocks.py`; modules that an earlier file has imported stay bound in it.
    """

    def __init__(self) -> None:
        self._home: Path | None = None
        self._modules_before: set[str] = set()

    def enter(self, home: Path) -> None:
        """Put a folder first on the import path, and the working directory last."""
        if home == self._home:
            return
        if self._home is not None:
            for name in set(sys.modules) - self._modules_before:
                if _is_users(getattr(sys.modules[name], "__file__", None), self._home):
                    del sys.modules[name]
            sys.path.remove(str(self._home))
            NAMESAKES.forget()
        self._home, self._modules_before = home, set(sys.modules)
        sys.path.insert(0, str(home))
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))


_SIBLINGS = _SiblingModules()


def user_lines(home: Path, error: BaseException) -> tuple[str, ...]:
    """Return the traceback's entries in the user's files below `home`, as Python prints them."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename, home)]
    entries = traceback.format_list(frames)
    if isinstance(error, SyntaxError):
        entries += traceback.format_exception_only(error)[:-1]
    return tuple(line for entry in entries for line in entry.rstrip().splitlines())


def _loading_failed(name: str, home: Path, error: BaseException) -> AddressError:
    failure = AddressError(f"{name} cannot be loaded: {first_line(error)}")
    failure.user_lines = user_lines(home, error)
    return failure


def _is_users(filename: str | None, home: Path) -> bool:
    """Return whether a file is the user's own, below `home`."""
    if filename is None or filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    is_library = "site-packages" in path.parts or any(path.is_relative_to(folder) for folder in _LIBRARIES)
    return path.is_relative_to(home) and not is_library
