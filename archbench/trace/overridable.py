"""Make `flex_attention` look for modes that override it, as most of torch's functions do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archbench.trace.imported_flex_attention import imported_flex_attention, original
from archbench.trace.process_state import SharedContext


@contextmanager
def _overridable() -> Iterator[None]:
    function = imported_flex_attention()
    if function is None:
        yield
        return
    copied = original(function)
    # Models import the function by its name, so that it cannot be replaced in torch's module.
    function.__code__ = _checks_for_modes.__code__
    try:
        yield
    finally:
        function.__code__ = copied.__code__


def _checks_for_modes(  # type: ignore[no-untyped-def]  # the signature of torch's function, whose defaults hold
    query, key, value, score_mod, block_mask, scale, enable_gqa, return_lse, kernel_options, *, return_aux
):
    # Runs with the globals of torch's module.
    from archbench.trace.imported_flex_attention import dispatch

    return dispatch(
        query, key, value, score_mod, block_mask, scale, enable_gqa, return_lse, kernel_options, return_aux=return_aux
    )


# While a thread is in it, the function looks for modes in all threads.
overridable_flex_attention = SharedContext(_overridable)
