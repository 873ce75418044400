"""Run functions that torch.compile wraps as they are written.

Compiling them would take a minute, compile the recorder with them, and add no operator.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch

from archbench.trace.process_state import SharedContext


@contextmanager
def _uncompiled() -> Iterator[None]:
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        else:
            _wait_for_compiler(stack)
        yield


def _wait_for_compiler(stack: ExitStack) -> None:
    """Change the compiler's stance when torch.compile loads it, which takes a second that most models do not need."""
    original = torch.compile

    @wraps(original)
    def load(*args: Any, **kwargs: Any) -> Any:
        restore()
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        return original(*args, **kwargs)

    def restore() -> None:
        torch.compile = original

    stack.callback(restore)
    torch.compile = load


# While a thread is in it, compiled functions run uncompiled in all threads.
uncompiled = SharedContext(_uncompiled)
