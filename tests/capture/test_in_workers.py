"""What calls in other processes begin there: pools, tasks, threads and processes. Tests of several modules."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

import kaygraph_viz as kv

pytestmark = [
    pytest.mark.processes,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # from 3.12 on: of a fork beside threads
]
METHODS = multiprocessing.get_all_start_methods()


def leaf(number):
    return number + 1


def threads(number):
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(leaf, range(number)))


async def page(number):
    await asyncio.sleep(0)
    return number


async def crawl(number):
    return sum(await asyncio.gather(*map(page, range(number))))


def tasks(number):
    return asyncio.run(crawl(number))


def thread(number):
    worker = threading.Thread(target=leaf, args=(number,))
    worker.start()
    worker.join()
    return number


def processes(number):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return sum(pool.map(threads, [number, number]))


def process(number):
    child = multiprocessing.get_context("fork").Process(target=threads, args=(number,))
    child.start()
    child.join()
    return child.exitcode


def failing(number):
    threads(number)
    raise ValueError("no such order")


def wait_for_ever():
    threading.Event().wait()


def leaving_a_thread_behind(number):
    threading.Thread(target=wait_for_ever, daemon=True).start()
    return number


def hooks_in_place(_):
    return ThreadPoolExecutor.submit.__module__, threading.active_count()


def tree(trace, parent_id=None):
    """Return names of spans with those within them, in order of their names."""
    found = [(each.name, tree(trace, each.span_id)) for each in trace if each.parent_id == parent_id]
    return sorted((name, *inside) if inside else (name,) for name, inside in found)


LEAVES = ("threads", ("leaf",), ("leaf",))


@pytest.mark.parametrize("method", METHODS)
def test_all_that_a_call_in_a_process_pool_begins_is_recorded_within_it(method):
    with kv.record(capture="all") as trace:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
            work = (threads, tasks, thread, processes, process)
            assert [pool.submit(each, 2).result() for each in work] == [3, 1, 2, 6, 0]
    trace.validate()
    assert tree(trace) == [
        ("process", LEAVES),
        ("processes", LEAVES, LEAVES),
        ("tasks", ("crawl", ("page",), ("page",))),
        ("thread", ("leaf",)),
        LEAVES,
    ]
    lanes = {each.name: each.lane for each in trace}
    assert (lanes["process"], lanes["crawl"]) == ("process-1", "process-1/task-1")


def test_what_is_captured_there_is_what_the_recording_captures():
    with kv.record(capture="futures") as trace, ProcessPoolExecutor(1) as pool:
        pool.submit(threads, 2).result()
        pool.submit(tasks, 2).result()
    assert tree(trace) == [("tasks",), LEAVES]


def test_arguments_label_the_calls_there():
    with kv.record(capture="futures", label="arguments") as trace, ProcessPoolExecutor(1) as pool:
        pool.submit(threads, 2).result()
    assert sorted(each.attributes["label"] for each in trace) == ["0", "1", "2"]


def test_an_error_brings_home_what_came_before_it():
    with kv.record(capture="futures") as trace, ProcessPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="no such order"):
            pool.submit(failing, 1).result()
    assert tree(trace) == [("failing", ("leaf",))]


def test_a_chunk_of_items_has_a_bar_for_each_that_begins_something():
    with kv.record(capture="all") as trace, multiprocessing.Pool(1) as pool:
        assert pool.map(thread, range(3), chunksize=3) == [0, 1, 2]
    trace.validate()
    assert tree(trace) == [("thread", ("leaf",))] * 3


def test_a_process_of_the_program_brings_home_what_it_begins():
    with kv.record(capture="all") as trace:
        assert process(2) == 0
    trace.validate()
    assert tree(trace) == [LEAVES]


@pytest.mark.parametrize("capture", ["all", "threading"])
def test_what_a_call_leaves_behind_ends_with_it_and_the_next_one_is_recorded(capture):
    with kv.record(capture=[capture, "futures"]) as trace, ProcessPoolExecutor(1) as pool:
        assert [pool.submit(each, 1).result() for each in (leaving_a_thread_behind, thread)] == [1, 1]
    trace.validate()
    assert {each.name: each.status for each in trace}["wait_for_ever"] == "abandoned"
    assert ("thread", ("leaf",)) in tree(trace)


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_that_goes_on_after_the_recording_is_not_recorded_and_does_the_same(method):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        before = pool.submit(hooks_in_place, 0).result()
        with kv.record(capture="all") as trace:
            pool.submit(threads, 2).result()
        assert pool.submit(threads, 2).result() == 3
        assert pool.submit(hooks_in_place, 0).result() == before
    assert tree(trace) == [LEAVES]


@pytest.mark.parametrize("kind", ["process", "dask"])
def test_branches_of_ours_in_other_processes_have_what_they_begin_within_them(kind):
    with kv.record(capture=["futures", "asyncio"]) as trace, kv.get_executor(kind, max_workers=1) as executor:
        assert [each.value for each in executor.imap(threads, [2])] == [3]
        assert [each.value for each in executor.imap(tasks, [2])] == [1]
    trace.validate()
    assert tree(trace) == [("tasks", ("crawl", ("page",), ("page",))), LEAVES]


@pytest.mark.leaves_threads
def test_joblib_in_processes_records_what_its_calls_begin():
    joblib = pytest.importorskip("joblib")
    with kv.record(capture="all") as trace:
        assert joblib.Parallel(n_jobs=2)(joblib.delayed(threads)(2) for _ in range(2)) == [3, 3]
    trace.validate()
    assert tree(trace) == [LEAVES, LEAVES]
