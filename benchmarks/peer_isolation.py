"""Run another tool without what it leaves in torch and what it prints.

Some tools replace functions of torch, and not all put them back when a model fails.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import torch
from torch.nn import functional


@contextlib.contextmanager
def untouched_torch() -> Iterator[None]:
    """Put back the functions of torch that a tool replaces."""
    places = [vars(torch).copy(), vars(torch.Tensor).copy(), vars(functional).copy()]
    try:
        yield
    finally:
        for owner, before in zip((torch, torch.Tensor, functional), places, strict=True):
            for name, value in list(vars(owner).items()):
                if name not in before and owner is torch.Tensor:
                    delattr(owner, name)  # replaced what the class inherits
                elif callable(value) and before.get(name, value) is not value:
                    setattr(owner, name, before[name])


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what a tool prints, warns and logs off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)
