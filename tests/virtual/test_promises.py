"""What is asked of the browser; the real one is asked in `tests/pyodide`."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import greenlet
import pytest

import kaygraph_viz as kv
from kaygraph_viz.errors import PlatformError
from kaygraph_viz.virtual.carriers import carried_by
from tests.virtual.running import branches


class Browser:
    """Pyodide, as far as it is needed, by greenlets: promises are waited for in turn."""

    def __init__(self, *, can_wait=True):
        self._can_wait = can_wait
        self._ready = []
        self._next = greenlet.greenlet(self._go_on)

    def _go_on(self):
        while True:
            self._ready.pop(0).switch()

    def run_js(self, source):
        assert "callPromising" in source
        return self._launch

    def _launch(self, run):
        self._ready.append(greenlet.greenlet(run, self._next))

    def create_future(self):
        here = greenlet.getcurrent()
        return SimpleNamespace(set_result=lambda _: self._ready.append(here))

    def run_sync(self, future):
        self._next.switch()

    def can_run_sync(self):
        return self._can_wait

    def create_proxy(self, thing):
        return thing

    def as_modules(self):
        code, ffi = ModuleType("pyodide.code"), ModuleType("pyodide.ffi")
        code.run_js = self.run_js
        ffi.run_sync, ffi.can_run_sync, ffi.create_proxy = self.run_sync, self.can_run_sync, self.create_proxy
        return {"pyodide": ModuleType("pyodide"), "pyodide.code": code, "pyodide.ffi": ffi}


def carried(monkeypatch, browser):
    from kaygraph_viz.virtual import promises

    monkeypatch.setattr(promises, "asyncio", SimpleNamespace(get_running_loop=lambda: browser))
    for name, module in browser.as_modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return carried_by(promises.Promises())


def test_branches_wait_for_promises(monkeypatch):
    with carried(monkeypatch, Browser()), kv.record(clock="virtual") as trace:
        assert branches(lambda item: kv.sleep(1) or item) == [0, 1, 2, 3]
    assert trace.makespan_s == 1


def test_a_browser_that_cannot_wait_for_promises_is_told_by_one_sentence(monkeypatch):
    with carried(monkeypatch, Browser(can_wait=False)):
        with pytest.raises(PlatformError, match="Chrome 137, Firefox 153, Safari 27") as caught:
            with kv.record(clock="virtual"):
                branches(int)
        with kv.record(clock="virtual"):
            assert branches(int, kind="serial") == [0, 1, 2, 3]  # one worker waits for nobody
    assert len(caught.value._render_traceback_()) == 1
