"""What holds for every test: no thread is left behind, and every trace that was recorded is a valid one (T1, T2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from kaygraph_viz.execute.threads import _Worker
from kaygraph_viz.trace.invariants import violations
from kaygraph_viz.trace.trace import Trace

GUARD_S = 20.0  # against hanging; nothing waits that long when all is well


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "invalid_traces: this test records traces that break an invariant on purpose")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    ours = [thread for thread in left if isinstance(thread, _Worker) or not thread.daemon]
    for thread in ours:  # one that was given up ends after the test has released it
        thread.join(GUARD_S)
    assert not [thread.name for thread in ours if thread.is_alive()]


@pytest.fixture(autouse=True)
def every_trace_is_valid(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    frozen: list[Trace] = []
    freeze = Trace._freeze

    def freeze_and_keep(trace: Trace, *args: object) -> None:
        freeze(trace, *args)  # type: ignore[arg-type]
        frozen.append(trace)

    monkeypatch.setattr(Trace, "_freeze", freeze_and_keep)
    yield
    if request.node.get_closest_marker("invalid_traces") is None:
        found = [violations(trace.columns, is_complete=not trace.dropped) for trace in frozen]
        assert not any(found), found
