"""Names of the classes and functions in a user's file, read from its source without running it."""

from __future__ import annotations

import ast
from pathlib import Path

from archbench.errors import AddressError, first_line

# A base of such a name makes a class a module, wherever it comes from.
_MODULE_ENDINGS = ("Module", "Model", "Sequential", "ModuleList", "ModuleDict")


def builders_in(path: Path) -> list[str]:
    """Return the names that build a model: subclasses of nn.Module, those that no other uses first, then functions.

    A class is taken for a module by the names of its bases, or because it has a method `forward`.
    Raises AddressError for a file that is not valid Python.
    """
    body = _parsed(path).body
    modules = _modules([node for node in body if isinstance(node, ast.ClassDef)])
    used = {name for node in modules for name in _names_in(node) - {node.name}}
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    names = sorted((node.name for node in modules), key=lambda name: name in used)
    names += [name for name in functions if name not in ("example_inputs", "main")]
    return list(dict.fromkeys(name for name in names if not name.startswith("_")))


def classes_in(path: Path) -> list[str]:
    """Return the names of the subclasses of nn.Module in a file, as they stand there."""
    classes = [node for node in _parsed(path).body if isinstance(node, ast.ClassDef)]
    return [node.name for node in _modules(classes) if not node.name.startswith("_")]


def is_file(path: Path) -> bool:
    """Return whether there is a file at a path; no file has a name that is too long."""
    try:
        return path.is_file()
    except OSError:
        return False


def _parsed(path: Path) -> ast.Module:
    if not is_file(path):
        raise AddressError(f"there is no file '{path}'")
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        raise AddressError(f"{path} cannot be read as Python: {first_line(error)}") from error


def _modules(classes: list[ast.ClassDef]) -> list[ast.ClassDef]:
    """Return the classes that are modules; a class may derive from an earlier one."""
    modules: dict[str, ast.ClassDef] = {}
    for node in classes:
        bases = [ast.unparse(base) for base in node.bases]
        has_forward = any(isinstance(each, ast.FunctionDef) and each.name == "forward" for each in node.body)
        if has_forward or any(_is_module(base) or base in modules for base in bases):
            modules[node.name] = node
    return list(modules.values())


def _is_module(base: str) -> bool:
    return base.startswith(("nn.", "torch.nn.")) or base.endswith(_MODULE_ENDINGS)


def _names_in(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
