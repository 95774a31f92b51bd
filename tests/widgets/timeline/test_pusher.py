"""When a live view is renewed."""

from __future__ import annotations

import threading

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from kaygraph_viz.widgets.timeline.pusher import Pusher, show_again_when

GUARD_S = 30  # against a test that hangs; never waited for


def test_costly_sending_is_done_less_often():
    sent, cpu_s = [], iter([1.0, 1.05, 2.0, 2.0])
    pusher = Pusher(lambda: sent.append(1), lambda: True, cpu_s=lambda: next(cpu_s))
    ticks_of_sends = []
    for tick in range(11):
        pusher.tick()
        ticks_of_sends += [tick] * (len(sent) - len(ticks_of_sends))
    assert ticks_of_sends == [0, 10]  # 50 ms are a twentieth of a second


def test_last_sending_is_not_put_off():
    live, sent = [True], []
    pusher = Pusher(lambda: sent.append(1), lambda: live[0], cpu_s=iter([0.0, 9.0, 9.0, 9.0]).__next__)
    assert pusher.tick()
    live[0] = False
    assert not pusher.tick()
    assert len(sent) == 2


def test_what_ends_while_it_is_asked_is_in_the_last_sending():
    ended, sent = [], []

    def is_live():
        ended.append(1)  # the run ends right after it was asked
        return len(ended) == 1

    pusher = Pusher(lambda: sent.append(len(ended)), is_live)
    assert [pusher.tick(), pusher.tick()] == [True, False]
    assert sent == [1, 2]


def test_fault_of_the_chart_ends_it_with_a_warning_and_not_the_work():
    def fails():
        raise RuntimeError("no")

    with pytest.warns(UserWarning, match="the live view stopped, results are not affected: RuntimeError: no"):
        assert not Pusher(fails, lambda: True).tick()


def test_thread_ends_when_it_is_stopped():
    called = threading.Event()
    pusher = Pusher(called.set, lambda: True)
    pusher.start()
    assert called.wait(GUARD_S)
    pusher.stop()
    pusher.join(GUARD_S)
    assert not pusher._thread.is_alive()


def test_one_that_was_never_started_can_be_stopped_and_waited_for():
    pusher = Pusher(lambda: None, lambda: True)
    pusher.stop()
    pusher.join(GUARD_S)
    assert pusher._thread.ident is None


# -- a widget is shown now, and once more in its place when it is complete -----


class Growing:
    """Stands in for a widget: its text says how much there is."""

    def __init__(self):
        self.size = 0

    def _repr_mimebundle_(self):
        return {"text/plain": f"size {self.size}"}, {}


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.fixture
def growing(shell):
    shell.push({"growing": Growing(), "show_again_when": show_again_when})
    return shell.user_ns["growing"]


@pytest.mark.usefixtures("growing")
def test_it_is_shown_again_in_its_place_after_the_cell_that_completed_it(shell):
    with capture_output() as captured:
        shell.run_cell("show_again_when(growing, lambda: growing.size == 2)").raise_error()
        shell.run_cell("growing.size = 1").raise_error()
        shell.run_cell("growing.size = 2").raise_error()
        shell.run_cell("growing.size = 2").raise_error()
    first, again = captured.outputs
    assert (first.data["text/plain"], again.data["text/plain"]) == ("size 0", "size 2")
    assert first.transient == again.transient
