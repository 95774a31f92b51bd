"""Which kinds are captured, and for how long their hooks are in force."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.capture.kinds import checked_kinds, hooked, keep_hooked

PLAIN = ThreadPoolExecutor.submit
FUTURES = frozenset({"futures"})


def test_asyncio_needs_the_pools_in_which_its_calls_end():
    assert checked_kinds(["asyncio"]) == {"asyncio", "futures"}


@pytest.mark.parametrize("capture", ["future", ["futures", "celery"], 3, [3], None])
def test_an_unknown_kind_is_a_clear_error(capture):
    with pytest.raises(OptionError, match="capture must be 'all', or any of futures"):
        checked_kinds(capture)


def test_hooks_stay_until_the_last_block_that_wants_them_ends():
    outer, inner = hooked(FUTURES), hooked(FUTURES)
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert ThreadPoolExecutor.submit is not PLAIN
    inner.__exit__(None, None, None)
    assert ThreadPoolExecutor.submit is PLAIN


def test_hooks_of_two_threads_that_overlap_are_removed_by_the_last():
    entered, leave = threading.Barrier(2), threading.Event()

    def other() -> None:
        with hooked(FUTURES):
            entered.wait()
            leave.wait()

    thread = threading.Thread(target=other)
    with hooked(FUTURES):
        thread.start()
        entered.wait()
    assert ThreadPoolExecutor.submit is not PLAIN
    leave.set()
    thread.join()
    assert ThreadPoolExecutor.submit is PLAIN


def test_hooks_are_removed_after_an_error():
    with pytest.raises(KeyError), hooked(FUTURES):
        raise KeyError
    assert ThreadPoolExecutor.submit is PLAIN


def test_an_entry_that_fails_half_way_leaves_nothing(monkeypatch):
    monkeypatch.setattr("kaygraph_viz.capture.tasks.hooks", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError), hooked(frozenset({"futures", "asyncio"})):
        pass
    assert ThreadPoolExecutor.submit is PLAIN


def test_a_worker_in_the_process_of_the_recording_keeps_nothing_hooked():
    with hooked(FUTURES):
        keep_hooked(FUTURES)
    assert ThreadPoolExecutor.submit is PLAIN
