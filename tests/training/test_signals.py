from __future__ import annotations

import signal

import pytest

from archbench.training.signals import Interruption


@pytest.fixture
def heard():
    """Signals that reached the usual handler."""
    found = []
    before = signal.signal(signal.SIGTERM, lambda number, _: found.append(number))
    yield found
    signal.signal(signal.SIGTERM, before)


def test_the_first_signal_is_noted_and_has_its_usual_effect_at_the_end(heard):
    with Interruption() as interruption:
        assert not interruption.is_requested
        signal.raise_signal(signal.SIGTERM)
        assert interruption.is_requested
        assert heard == []
    assert heard == [signal.SIGTERM]


def test_a_second_signal_has_its_usual_effect_at_once(heard):
    with Interruption():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]


def test_ctrl_c_becomes_a_keyboard_interrupt_at_the_end():
    steps = []

    def train() -> None:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGINT)
            steps.append(interruption.is_requested)

    with pytest.raises(KeyboardInterrupt):
        train()
    assert steps == [True]


def test_an_error_is_not_hidden_by_a_signal(heard):
    def train() -> None:
        with Interruption():
            signal.raise_signal(signal.SIGTERM)
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        train()
    assert heard == []


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGTERM)
            assert not interruption.is_requested
    finally:
        signal.signal(signal.SIGTERM, before)


def test_without_a_signal_the_usual_handlers_are_back(heard):
    with Interruption():
        pass
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]
