"""Fibers that share one thread behave as real threads do, to the byte; greenlet stands in for the browser."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import greenlet
import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import DeadlockError, PlatformError
from kaygraph_viz.base.parts import of_fibers
from kaygraph_viz.clock.virtual.carriers import RealThreads, carried_by
from tests.virtual.greenlets import Greenlets
from tests.virtual.running import branches, threads_of
from tests.virtual.scenarios import KNOWN, SCENARIOS, digests
from tests.virtual.test_determinism import program


@pytest.fixture(params=[RealThreads, Greenlets])
def carrier(request):
    """Both ways, one after the other: what holds for one holds for the other."""
    with carried_by(made := request.param()):
        yield made


@pytest.fixture
def clock(carrier):
    with kv.VirtualClock() as made:
        yield made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_schedule_is_the_same_to_the_byte(scenario):
    known = [line for line in KNOWN.read_text().splitlines() if line.startswith(f"{scenario.__name__} ")]
    with carried_by(Greenlets()):
        assert digests(scenario) == known


def test_programs_of_threads_queues_and_pools_are_the_same(tmp_path):
    found = set()
    for made in (RealThreads(), Greenlets()):
        with carried_by(made), kv.record(clock=kv.VirtualClock(1)) as trace:
            result = program()
        trace.validate().save(path := tmp_path / "trace.jsonl")
        found.add((path.read_bytes(), repr(result)))
    assert len(found) == 1


def test_it_starts_no_thread(monkeypatch):
    monkeypatch.setattr("_thread.start_new_thread", None)
    monkeypatch.setattr(threading, "_start_new_thread", None, raising=False)
    monkeypatch.setattr(threading, "_start_joinable_thread", None, raising=False)
    with carried_by(Greenlets()), kv.record(clock="virtual") as trace:
        assert branches(lambda item: kv.sleep(1) or item) == [0, 1, 2, 3]
    assert trace.makespan_s == 1


def test_a_loop_of_simulated_time_runs_inside_one_that_runs_always():
    async def one_second():
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    async def always():
        with carried_by(Greenlets()), kv.record(clock="virtual"):
            found = asyncio.run(one_second()), asyncio.run(one_second())
        return found, asyncio.current_task() is not None

    assert asyncio.run(always()) == ((1, 2), True)
    assert asyncio.run is asyncio.runners.run


@pytest.mark.usefixtures("clock")
def test_each_fiber_has_a_thread_of_its_own():
    def note():
        before = threading.current_thread(), threading.get_ident(), threading.current_thread().ident
        time.sleep(1)
        assert before == (threading.current_thread(), threading.get_ident(), threading.current_thread().ident)
        seen.add(before)

    seen = set()
    threads_of(note, note, note)
    assert len({thread for thread, _, _ in seen}) == len({ident for _, ident, _ in seen}) == 3
    assert threading.current_thread() is threading.main_thread()


@pytest.mark.usefixtures("clock")
def test_each_fiber_has_data_of_its_own():
    def note(number):
        assert not hasattr(data, "number")
        data.number = number
        time.sleep(1)
        seen.append(data.number)

    data, seen = of_fibers(threading.local()), []
    data.number = "main"
    threads_of(*(lambda number=number: note(number) for number in range(3)))
    assert (seen, data.number) == ([0, 1, 2], "main")


@pytest.mark.usefixtures("clock")
def test_each_fiber_has_an_event_loop_of_its_own():
    async def main(number):
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        time.sleep(1)  # noqa: ASYNC251  (another fiber goes on in the middle of this step)
        await asyncio.sleep(1)
        assert (task, loop) == (asyncio.current_task(), asyncio.get_running_loop())
        loops.add(loop)
        return number

    loops = set()
    threads_of(*(lambda number=number: asyncio.run(main(number)) for number in range(3)))
    assert asyncio.run(main(3)) == 3
    assert len(loops) == 4


def test_the_loop_of_a_notebook_goes_on_afterwards(carrier):
    async def cell():
        task = asyncio.current_task()
        with kv.record(clock="virtual") as trace:
            assert branches(lambda item: kv.sleep(1) or item) == [0, 1, 2, 3]
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        return trace.makespan_s

    assert asyncio.run(cell()) == 1


@pytest.mark.usefixtures("clock")
def test_a_reentrant_lock_belongs_to_one_fiber():
    def hold(name):
        with lock, lock:
            seen.append(name)
            time.sleep(1)
            seen.append(name)

    lock, seen = threading.RLock(), []
    threads_of(lambda: hold("a"), lambda: hold("b"))
    assert seen == ["a", "a", "b", "b"]


def test_a_deadlock_is_told_where_other_threads_are_about(carrier):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with pytest.raises(DeadlockError), kv.VirtualClock():
            lock = threading.Lock()
            threads_of(lambda: lock.acquire() and lock.acquire())


def test_a_deadlock_names_the_lines(carrier):
    def take(first, second):
        with first:
            time.sleep(1)
            second.acquire()

    with pytest.raises(DeadlockError) as caught, kv.VirtualClock():
        one, other = threading.Lock(), threading.Lock()
        threads_of(lambda: take(one, other), lambda: take(other, one))
    assert str(caught.value).count(f"in {take.__name__}) waits for a lock") == 2


def test_what_still_waits_ends_with_the_block(carrier):
    def wait():
        try:
            time.sleep(1000)
        finally:
            seen.append("ended")

    seen = []
    with kv.VirtualClock():
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        assert [thread.is_alive() for thread in threads] == [True] * 3
    assert seen == ["ended"] * 3
    assert [thread.is_alive() for thread in threads] == [False] * 3


def test_a_thread_that_swallows_its_end_is_left_behind(carrier, monkeypatch):
    def wait():
        while not is_over:
            try:
                time.sleep(1)
            except BaseException:
                seen.append("swallowed")

    monkeypatch.setattr("kaygraph_viz.clock.virtual.scheduler.MAX_STOPS", 5)
    seen, is_over = [], []
    if isinstance(carrier, RealThreads):
        pytest.skip("its thread would be left behind; see test_scheduler")
    with kv.VirtualClock():
        threading.Thread(target=wait).start()
        time.sleep(1)
    assert seen == ["swallowed"] * 5


@pytest.mark.usefixtures("clock")
def test_an_error_of_a_thread_is_told(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append((args.exc_type, args.thread.name)))
    seen = []
    thread = threading.Thread(target=lambda: 1 / 0, name="divides")
    thread.start()
    thread.join()
    assert seen == [(ZeroDivisionError, "divides")]


def test_real_threads_keep_their_numbers():
    with carried_by(Greenlets()), kv.VirtualClock():
        seen = []
        other = threading.Thread(target=lambda: seen.append(threading.get_ident()))
        other.run()
        assert seen == [threading.get_ident()] == [threading.main_thread().ident]


def test_awaited_graphs_work_in_a_loop_that_runs_already(carrier):
    class Twice(kv.AsyncParallelBatchNode):
        async def prep_async(self, shared):
            return range(3)

        async def exec_async(self, item):
            await kv.sleep_async(1)
            return 2 * item

        async def post_async(self, shared, items, results):
            shared["twice"] = list(results)

    async def cell():
        shared = {}
        with kv.record(clock="virtual") as trace:
            await kv.AsyncGraph(Twice()).run_async(shared)
        return shared["twice"], trace.makespan_s

    assert asyncio.run(cell()) == ([0, 2, 4], 1)


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
    from kaygraph_viz.clock.virtual import carriers

    monkeypatch.setattr(carriers, "asyncio", SimpleNamespace(**{**vars(asyncio), "get_running_loop": lambda: browser}))
    for name, module in browser.as_modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return carried_by(carriers.Promises())


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
