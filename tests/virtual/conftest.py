"""What several of these tests use."""

from __future__ import annotations

import signal
import threading

import pytest

from kaygraph_viz.clock.virtual.clock import VirtualClock


@pytest.fixture
def clock():
    """A clock whose block is running."""
    with VirtualClock() as made:
        yield made


@pytest.fixture
def press_stop():
    """Return a function that interrupts the main program, as the stop button does; from any thread."""
    if not hasattr(signal, "pthread_kill"):
        pytest.skip("only POSIX can interrupt one thread")
    return lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
