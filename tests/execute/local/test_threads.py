"""Threads as workers, as users see them: daemons that end with the call, and what they do is waited for."""

from __future__ import annotations

import itertools
import threading

from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record

GUARD_S = 20.0


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("thread")]


def test_workers_are_daemons_and_end_with_the_call():
    def look(x):
        return threading.current_thread()

    with get_executor("thread", 2) as executor:
        workers = {outcome.value for outcome in executor.imap(look, range(10))}
    for worker in workers:
        worker.join(GUARD_S)
    assert all(worker.daemon and not worker.is_alive() for worker in workers)


def test_closing_early_waits_for_the_branches_in_progress():
    started, release = threading.Event(), threading.Event()
    ended = []

    def run(x):
        if x:
            started.set()
            release.wait(GUARD_S)
        ended.append(x)

    with get_executor("thread", 2) as executor, record() as trace:
        outcomes = executor.imap(run, itertools.count(), ordered=False, window=0)
        next(outcomes)
        assert started.wait(GUARD_S)
        threading.Timer(0, release.set).start()
        outcomes.close()
        count = len(ended)
    assert not [worker for worker in worker_threads() if worker.is_alive()]
    assert len(ended) == count == len(trace)
