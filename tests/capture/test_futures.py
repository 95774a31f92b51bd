"""`concurrent.futures`: pools that know nothing of us."""

from __future__ import annotations

import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait
from multiprocessing import get_context
from multiprocessing.pool import MaybeEncodingError, Pool, ThreadPool

import pytest

import kaygraph_viz as kv


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    error = ValueError(f"no {number}")
    error.add_note("as expected")
    raise error from KeyError(number)


def test_jobs_of_a_thread_pool_are_branches_on_the_lanes_of_its_threads() -> None:
    both = threading.Barrier(2)

    def fetch(number: int) -> int:
        both.wait()
        return number

    with kv.record(capture="futures") as trace, ThreadPoolExecutor(2, thread_name_prefix="crawl") as pool:
        assert list(pool.map(fetch, range(4))) == [0, 1, 2, 3]
    trace.validate()
    assert [(span.name, span.kind, span.status) for span in trace] == [("fetch", "branch", "ok")] * 4
    assert {span.lane for span in trace} == {"crawl-1", "crawl-2"}


def test_jobs_wait_from_when_they_are_submitted() -> None:
    go = threading.Event()
    with kv.record(capture="futures") as trace, ThreadPoolExecutor(1) as pool:
        first = pool.submit(go.wait)
        second = pool.submit(double, 1)
        go.set()
        wait([first, second])
    waited, ran = trace.spans
    assert ran.submitted_ns < waited.ended_ns <= ran.started_ns


def test_the_parent_is_the_span_in_which_a_job_was_submitted() -> None:
    with kv.record(capture="futures") as trace, ThreadPoolExecutor(2) as pool:
        with kv.span("outer"):
            inside = pool.submit(lambda: pool.submit(double, 1).result())
            inside.result()
        pool.submit(double, 2).result()
    trace.validate()
    parents = {span.span_id: span for span in trace}
    found = [(span.name, span.parent_id and parents[span.parent_id].name) for span in trace]
    assert sorted(found, key=str) == [("<lambda>", "outer"), ("double", "<lambda>"), ("double", None), ("outer", None)]


def test_a_job_that_outlives_the_span_around_it_belongs_to_the_one_around_that() -> None:
    go = threading.Event()
    with kv.record(capture="futures") as trace, ThreadPoolExecutor(1) as pool, kv.span("outer"):
        with kv.span("inner"):
            late = pool.submit(go.wait)
        go.set()
        late.result()
    trace.validate()
    names = {span.span_id: span.name for span in trace}
    assert [names[span.parent_id] for span in trace if span.name == "Event.wait"] == ["outer"]


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def processes(request: pytest.FixtureRequest) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context(request.param)) as pool:
        yield pool


WITH_INTERPRETERS = """
from concurrent.futures import InterpreterPoolExecutor
import kaygraph_viz as kv

class Derived(InterpreterPoolExecutor): pass

for kind in (InterpreterPoolExecutor, Derived):
    with kv.record(capture="futures", label="arguments") as trace, kind(1) as pool:
        assert list(pool.map(len, ["a", "bc"])) == [1, 2]
        error = pool.submit(int, "no").exception()
    assert type(error) is ValueError
    trace.validate()
    print([(span.name, span.lane, span.status, span.attributes["label"]) for span in trace])
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.version_info < (3, 14), reason="pools of interpreters came with Python 3.14")
def test_interpreters_of_a_pool_are_as_processes() -> None:
    """In a program of its own: with all that tests have loaded, Python itself ends now and then as it makes one."""
    command = [sys.executable, "-c", WITH_INTERPRETERS]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = [
        ("len", "process-1", "ok", '"a"'), ("len", "process-1", "ok", '"bc"'), ("int", "process-1", "error", '"no"'),
    ]  # fmt: skip
    assert ended.stdout.splitlines() == [str(found)] * 2


@pytest.mark.processes
def test_an_error_comes_home_as_it_is_without_a_recording(processes: ProcessPoolExecutor) -> None:
    def seen() -> tuple[type, str, list[str], str, list[str]]:
        error = processes.submit(fail, 3).exception()
        assert error is not None
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        return type(error), str(error), error.__notes__, type(error.__cause__).__name__, frames

    plain = seen()
    with kv.record(capture="futures") as trace:
        assert seen() == plain
    assert [(span.name, span.status, span.error) for span in trace] == [("fail", "error", "ValueError: no 3")]


def test_an_error_of_a_thread_has_the_same_traceback() -> None:
    def frames() -> list[str]:
        with ThreadPoolExecutor(1) as pool:
            error = pool.submit(fail, 1).exception()
        assert error is not None
        return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    plain = frames()
    with kv.record(capture="futures"):
        assert frames() == plain


def test_nothing_is_recorded_after_the_block_and_the_hooks_are_gone() -> None:
    submit = ThreadPoolExecutor.submit
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with kv.record(capture="futures") as trace:
            assert ThreadPoolExecutor.submit is not submit
            late = pool.submit(go.wait)
        assert ThreadPoolExecutor.submit is submit
        go.set()
        assert late.result()
    assert [span.status for span in trace] == ["abandoned"] or not len(trace)


def test_without_capture_nothing_is_hooked() -> None:
    submit = ThreadPoolExecutor.submit
    with kv.record() as trace, ThreadPoolExecutor(1) as pool:
        assert ThreadPoolExecutor.submit is submit
        pool.submit(double, 1).result()
    assert not len(trace)


def test_a_pool_in_simulated_time_waits_there() -> None:
    with kv.record(clock="virtual", capture="futures") as trace, ThreadPoolExecutor(2) as pool:
        list(pool.map(kv.sleep, [0.1, 0.1, 0.3]))
    trace.validate()
    assert (len(trace), trace.makespan_s) == (3, 0.4)
    assert [span.submitted_ns for span in trace] == [0, 0, 0]
    assert [span.started_ns for span in trace] == [0, 0, 100_000_000]


def test_the_handlers_of_a_grpc_server_are_branches_with_their_own_names() -> None:
    grpc = pytest.importorskip("grpc")

    def turned(request: bytes, context: object) -> bytes:
        return request[::-1]

    class Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: object) -> object:
            return grpc.unary_unary_rpc_method_handler(turned)

    with kv.record(capture="futures") as trace, ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((Handlers(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            turn = channel.unary_unary("/shop/turn")
            assert [turn(text) for text in (b"ab", b"cd")] == [b"ba", b"dc"]
        server.stop(None).wait()
    assert [each.name for each in trace.where(kind="branch")] == ["turned", "turned"]


def test_the_jobs_of_a_scheduler_are_branches_with_their_own_names() -> None:
    background = pytest.importorskip("apscheduler.schedulers.background")
    ran = threading.Semaphore(0)

    def pack(number: int) -> None:
        ran.release()

    with kv.record(capture="futures", label="arguments") as trace:
        scheduler = background.BackgroundScheduler()
        scheduler.start()
        for number in range(2):
            scheduler.add_job(pack, args=(number,))
        for _ in range(2):
            ran.acquire()
        scheduler.shutdown()
    assert sorted((each.name, each.attributes["label"]) for each in trace) == [("pack", "0"), ("pack", "1")]


# -- pools ---------------------------------------------------------------------------------------------------------


HANDED_OVER = Pool.apply_async


def fail_pools(number: int) -> int:
    raise ValueError(number)


def unsendable(number: int) -> object:
    return lambda: number


def all_ways(pool: Pool) -> list[object]:
    return [
        pool.map(double, range(4)), pool.starmap(pow, [(2, 3)]), list(pool.imap(double, range(2))),
        sorted(pool.imap_unordered(double, range(3))), pool.apply(double, (5,)),
        pool.map_async(double, [1]).get(), pool.map(double, range(6), chunksize=3),
    ]  # fmt: skip


def counted(trace: kv.Trace) -> int:
    trace.validate()
    return sum(each.attributes.get("items", 1) for each in trace)


def test_every_item_of_a_pool_of_threads_is_recorded():
    with ThreadPool(2) as pool:
        plain = all_ways(pool)
        with kv.record(capture="multiprocessing") as trace:
            assert all_ways(pool) == plain
    assert counted(trace) == 18
    assert {each.name for each in trace} == {"double", "pow"}
    assert Pool.apply_async is HANDED_OVER


@pytest.mark.processes
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_every_item_of_a_pool_of_processes_is_recorded(how: str):
    with get_context(how).Pool(2) as pool:
        plain = all_ways(pool)
        with kv.record(capture="multiprocessing") as trace, kv.span("outer"):
            assert all_ways(pool) == plain
    assert counted(trace) == 19
    assert {each.lane for each in trace} <= {"main", "process-1", "process-2"}


@pytest.mark.processes
def test_errors_are_those_without_a_recording():
    def seen(pool: Pool) -> list[str]:
        texts = []
        for function in (fail_pools, unsendable):
            with pytest.raises((ValueError, MaybeEncodingError)) as caught:
                pool.apply(function, (7,))
            texts.append(f"{type(caught.value).__name__} {caught.value}".partition(" at 0x")[0])
        return texts

    with get_context("fork").Pool(1) as pool:
        plain = seen(pool)
        with kv.record(capture="multiprocessing") as trace:
            assert seen(pool) == plain
    assert [(each.name, each.status) for each in trace] == [("fail_pools", "error")]
