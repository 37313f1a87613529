"""Signals that end a training."""

import os
import signal
from collections.abc import Iterator

import pytest

from drbnet.stopping import Stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_taken_note_of(number: int) -> None:
    before = signal.getsignal(number)
    with Stopping() as stopping:
        assert not stopping()
        os.kill(os.getpid(), number)
        assert stopping()
        assert stopping.signal == number
    assert signal.getsignal(number) == before


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What a program's start from a terminal has; one from a script's background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_second_interrupt_ends_at_once() -> None:
    with Stopping() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopping()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
