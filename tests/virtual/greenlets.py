"""Fibers that share a thread as in a browser tab, switched by greenlet, which stands in for the browser in tests."""

from __future__ import annotations

from collections import deque

import greenlet

from kaygraph_viz.clock.virtual.carriers import OneThread


class Greenlets(OneThread):
    """Carries all fibers in the thread that runs the block."""

    def __init__(self):
        super().__init__()
        self._ready = deque()
        self._next = greenlet.greenlet(self._run_those_that_are_ready)

    def _run_those_that_are_ready(self):
        while True:
            self._ready.popleft().switch()

    def _leave(self, turn):
        here = greenlet.getcurrent()
        turn.resume = lambda: self._ready.append(here)
        self._next.switch()

    def _launch(self, run):
        self._ready.append(greenlet.greenlet(run, self._next))
