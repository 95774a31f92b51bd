"""Checks around every test: no thread is left behind, and every recorded trace is valid."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import psutil
import pytest
from hypothesis import given, settings
from hypothesis.strategies import none

from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.trace.invariants import violations
from kaygraph_viz.trace.trace import Trace

# The profiler of Dask's workers asks for the frames of all threads, which can hang Python up to 3.11.7 (gh-106883).
os.environ.setdefault("DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED", "false")

GUARD_S = 20.0  # against hanging; nothing waits that long when all is well
KERNEL_GUARD_S = 30.0

# A run on a slow machine says the same. The examples are always the same, too: more of them are for once in a while.
settings.register_profile("daily", derandomize=True, deadline=None, max_examples=30)
settings.register_profile("thorough", derandomize=True, deadline=None, max_examples=400)

WITH_PROCESSES = {
    "test_processes",
    "test_process_starter",
    "test_worker_process",
    "test_kernel",
    "test_async_kernel",
    "test_benchmarks",
    "test_exercises",
    "processes",  # the examples of that module
}
FOLDERS_WITH_PROCESSES = {"browser", "dask"}

THOROUGH = {"test_exercises", "test_benchmarks"}  # what ``make test`` leaves to ``make test-thorough``
THOROUGH_FOLDERS = {"examples"}  # ``make demo`` runs them, too


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="also run what takes minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what starts other processes (``make test-quick`` leaves it out), and leave out what takes minutes."""
    for item in items:
        params = getattr(item, "callspec", None)
        kinds = {value for value in params.params.values() if isinstance(value, str)} if params is not None else set()
        folder = item.path.parent.name
        if item.path.stem in WITH_PROCESSES or folder in FOLDERS_WITH_PROCESSES or kinds & {"process", "dask"}:
            item.add_marker(pytest.mark.processes)
        with_cluster = "dask" in kinds and folder in ("graph", "patterns")
        if with_cluster or item.path.stem in THOROUGH or folder in THOROUGH_FOLDERS:
            item.add_marker(pytest.mark.thorough)
    if not config.getoption("--thorough"):
        left_out = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]


def pytest_collection_finish() -> None:
    given(none())(lambda _: None)()  # what hypothesis keeps for all tests is made while it can be seen
    gc.freeze()  # what was imported stays: without it, every full collection would go through all of it


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("thorough" if config.getoption("--thorough") else "daily")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells start what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "thorough: run by make test-thorough only")
    config.addinivalue_line("markers", "processes: this test starts other processes, or may")
    config.addinivalue_line("markers", "leaves_threads: this test has threads on purpose that cannot be ended")
    config.addinivalue_line("markers", "invalid_traces: this test records traces that break an invariant on purpose")


@pytest.fixture
def repetitions(request: pytest.FixtureRequest) -> range:
    """Return how often a run is repeated to see that it is the same each time: 20 times in the thorough tests."""
    return range(20 if request.config.getoption("--thorough") else 5)


@pytest.fixture(autouse=True)
def no_thread_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    if request.node.get_closest_marker("leaves_threads"):
        return
    left = [thread for thread in threading.enumerate() if thread not in before]
    ours = [thread for thread in left if is_ours(thread)]
    for thread in ours:  # one that was given up ends after the test has released it
        thread.join(GUARD_S)
    assert not [thread.name for thread in ours if thread.is_alive()]


def is_ours(thread: threading.Thread) -> bool:
    """Return whether the package has started a thread; those that a library keeps, as Dask does, are its own affair."""
    called = getattr(thread, "_target", None) or thread.run
    if getattr(called, "__name__", "") == "run" and (arguments := getattr(thread, "_args", ())):
        called = arguments[0]  # of `Context.run`
    return not thread.daemon or (getattr(called, "__module__", None) or "").startswith("kaygraph_viz")


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


@pytest.fixture(scope="module")
def processes() -> Iterator[Callable[[int], Executor]]:
    """Return what gives worker processes by their number; a module's tests share them, since starting takes long."""
    with ExitStack() as opened:
        yield cache(lambda workers: opened.enter_context(get_executor("process", workers)))


class Notebook:
    """A real kernel, and what its cells print or raise."""

    def __init__(self, manager, client):
        self.manager = manager
        self.client = client

    def run(self, code, interrupt_at=None):
        """Run a cell; return what it printed, and its error or ''. Interrupt the kernel when it prints a text."""
        printed, interrupted_s = [], []

        def hook(message):
            content = message["content"]
            printed.append(content.get("text", "") or content.get("data", {}).get("text/plain", ""))
            if interrupt_at is not None and interrupt_at in "".join(printed) and not interrupted_s:
                interrupted_s.append(time.monotonic())
                self.manager.interrupt_kernel()

        reply = self.client.execute_interactive(code, output_hook=hook, timeout=KERNEL_GUARD_S)
        self.stopped_after_s = time.monotonic() - interrupted_s[0] if interrupted_s else None
        return "".join(printed).strip(), reply["content"].get("ename", "")

    def children(self):
        """Return the numbers of the processes that the kernel has started."""
        return [child.pid for child in psutil.Process(self.manager.provisioner.pid).children(recursive=True)]


@pytest.fixture(scope="module")
def notebook(request: pytest.FixtureRequest):
    """A kernel that has run the text `SETUP` of the test's module."""
    from jupyter_client.manager import start_new_kernel  # takes more than a second, and few tests need it

    manager, client = start_new_kernel()
    notebook = Notebook(manager, client)
    assert notebook.run(request.module.SETUP) == ("", "")
    yield notebook
    client.stop_channels()
    manager.shutdown_kernel(now=True)


class _Hides:
    """Finds no package of one name, as if it were not installed."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def hide(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what makes a package look as if it were not installed, until the end of the test."""

    def hide(package: str) -> None:
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [_Hides(package), *sys.meta_path])

    return hide
