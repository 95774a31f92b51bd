"""Tracebacks of errors that come out of hooked functions, of all modules: as without a recording."""

from __future__ import annotations

import asyncio
import queue
import threading
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest

import kaygraph_viz as kv

ALMOST_NO_TIME_S = 1e-6


def fail(number=1):
    raise ZeroDivisionError(number)


def failing_items():
    yield 1
    fail()


def full() -> queue.Queue[int]:
    found: queue.Queue[int] = queue.Queue(1)
    found.put(1)
    return found


def start_twice():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    thread.start()


def submit_late(pool):
    pool.shutdown()
    pool.submit(abs, 1)


def apply_late():
    with ThreadPool(1) as pool:
        pass
    pool.join()
    pool.apply_async(abs, (1,))


def joblib(backend, items):
    from joblib import Parallel, delayed

    return Parallel(n_jobs=2 if backend == "threading" else 1, backend=backend)(items(delayed))


def dask(scheduler):
    from dask import delayed

    delayed(fail)(1).compute(scheduler=scheduler)


async def no_task():
    asyncio.get_running_loop().create_task(None)


async def ended_by_a_callback():
    asyncio.get_running_loop().call_soon(leave, 3)
    await asyncio.Event().wait()


def leave(code):
    raise SystemExit(code)


def bad_join():
    box = queue.Queue()
    box.all_tasks_done = None
    box.join()


RAISING = {
    "threading": {
        "get_nowait": lambda: queue.Queue().get_nowait(),
        "get": lambda: queue.Queue().get(timeout=ALMOST_NO_TIME_S),
        "put_nowait": lambda: full().put_nowait(2),
        "put": lambda: full().put(2, timeout=ALMOST_NO_TIME_S),
        "join": bad_join,
        "start": start_twice,
    },
    "futures": {
        "threads": lambda: submit_late(ThreadPoolExecutor(1)),
        "processes": lambda: submit_late(ProcessPoolExecutor(1)),
    },
    "multiprocessing": {"apply": apply_late},
    "joblib": {
        "threads": lambda: joblib("threading", lambda delayed: [delayed(fail)()]),
        "one by one": lambda: joblib("sequential", lambda delayed: [delayed(fail)()]),
        "items": lambda: joblib("threading", lambda delayed: (delayed(abs)(n) for n in failing_items())),
        "items one by one": lambda: joblib("sequential", lambda delayed: (delayed(abs)(n) for n in failing_items())),
    },
    "dask": {"threads": lambda: dask("threads"), "one by one": lambda: dask("synchronous")},
    "asyncio": {
        "create_task": lambda: asyncio.run(no_task()),
        "ended by a callback": lambda: asyncio.run(ended_by_a_callback()),
    },
}


def seen(function) -> list[tuple[str, str]]:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  (of any kind)
        function()
    return [(frame.filename, frame.name) for frame in traceback.extract_tb(caught.tb)]


@pytest.mark.leaves_threads
@pytest.mark.parametrize("is_in_a_span", [False, True])
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in RAISING.items() for name in names])
def test_an_error_has_no_frame_of_ours(kind, name, is_in_a_span):
    if kind in ("joblib", "dask"):
        pytest.importorskip(kind)
    function = RAISING[kind][name]
    plain = seen(function)
    with kv.record(capture=kind):
        if not is_in_a_span:
            assert seen(function) == plain
        with kv.span("outer"):
            assert seen(function) == plain
