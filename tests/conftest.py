from __future__ import annotations

from collections.abc import Callable

import pytest

from archbench.address import find
from archbench.api import Summary, summarize
from archbench.inputs import InputSpec


@pytest.fixture(scope="session")
def zoo_summary() -> Callable[..., Summary]:
    """Return a function from an address to the summary of that zoo model on its card's input."""

    def make(address: str, batch: int = 1) -> Summary:
        source = find(address)
        assert source.card is not None
        return summarize(source.build(), InputSpec(source.card.input_shape).tensor(batch))

    return make
