"""Signals that end a training."""

import os
import signal

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


def test_a_second_interrupt_ends_at_once() -> None:
    with Stopping() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopping()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
