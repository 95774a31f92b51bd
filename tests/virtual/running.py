"""What several of these tests run programs with."""

from __future__ import annotations

import threading

import kaygraph_viz as kv
from kaygraph_viz.clock.clock import current_clock


def now_s():
    return current_clock().now_ns() / 1e9


def branches(function, items=4, kind="thread", workers=4):
    """Run a function in so many branches at once and return their values."""
    with kv.get_executor(kind, workers) as executor:
        return [outcome.unwrap() for outcome in executor.imap(function, range(items))]


def threads_of(*functions):
    """Run functions in threads of their own until they end."""
    made = [threading.Thread(target=function) for function in functions]
    for thread in made:
        thread.start()
    for thread in made:
        thread.join()
