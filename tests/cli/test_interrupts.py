"""An interrupt that gets lost on its way, as in callbacks of Python and in libraries in C."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from kaygraph_viz.cli.terminal import noticing_interrupts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture(autouse=True)
def as_at_the_start():
    """Python's own handler, also where the tests were started with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def turned_into_another_error():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ValueError("invalid bounding box") from None


@pytest.mark.parametrize("draw", [turned_into_another_error, lambda: signal.raise_signal(signal.SIGINT)])
def test_it_is_an_interrupt_whatever_became_of_it(draw):
    with pytest.raises(KeyboardInterrupt), noticing_interrupts():
        draw()


def test_one_that_was_dropped_comes_at_the_end():
    done = []
    with pytest.raises(KeyboardInterrupt), noticing_interrupts():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            done.append("dropped")
    assert done == ["dropped"]


def test_an_error_without_an_interrupt_is_what_it_is():
    with pytest.raises(ValueError, match="size"), noticing_interrupts():
        raise ValueError("size")


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_where_it_is_ignored_or_taken_care_of_it_stays_so(handler):
    signal.signal(signal.SIGINT, handler)
    with noticing_interrupts():
        signal.raise_signal(signal.SIGINT)
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is handler


def test_in_another_thread_nothing_is_done():
    ended = []

    def draw():
        with noticing_interrupts():
            ended.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert ended == [signal.default_int_handler]
