"""Processes that the program starts itself."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

import pytest

import kaygraph_viz as kv
from kaygraph_viz.capture import processes
from kaygraph_viz.capture.process_recorder import ProcessRecorder, here
from kaygraph_viz.capture.processes import Diary, RecordedRun, told
from kaygraph_viz.testing import FakeClock
from kaygraph_viz.trace.recorder import Scope, current_scope, set_scope
from kaygraph_viz.trace.row import Row
from tests.full_disk import full_disk

pytestmark = [
    pytest.mark.processes,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # from 3.12 on: of a fork beside threads
]
START, JOIN = multiprocessing.process.BaseProcess.start, multiprocessing.process.BaseProcess.join
METHODS = multiprocessing.get_all_start_methods()


def double(queue, value):
    with kv.span("inside"):
        queue.put(2 * value)


def leave(code):
    sys.exit(code)


def fail():
    raise ValueError("no such order")


def vanish():
    os._exit(5)


def wait_for(event):
    event.wait()


class Worker(multiprocessing.Process):
    def __init__(self, queue):
        super().__init__(name="packer")
        self.queue = queue

    def run(self):
        self.queue.put(sorted(name for name in vars(self) if not name.startswith("_")))


def started(context, target, *args, **options):
    process = context.Process(target=target, args=args, **options)
    process.start()
    return process


def recorded_one(target, *args):
    """Record one process that ends; return its span and its exit code."""
    with kv.record(capture="multiprocessing") as trace:
        process = started(multiprocessing.get_context("fork"), target, *args)
        process.join()
    (found,) = trace.validate()
    return found, process.exitcode


@pytest.mark.parametrize("method", METHODS)
def test_each_process_is_a_branch_named_after_its_target(method):
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    with kv.record(capture="multiprocessing") as trace, kv.span("around") as around:
        pair = [started(context, double, queue, value) for value in (3, 4)]
        assert sorted(queue.get() for _ in pair) == [6, 8]
        for process in pair:
            process.join()
    trace.validate()
    outer = trace.where(name="double")
    assert sorted((each.parent_id, each.lane, each.status) for each in outer) == [
        (around.span_id, f"process-{number}", "ok") for number in (1, 2)
    ]
    assert all(each.submitted_ns <= each.started_ns for each in outer)
    assert all(each.cpu_ns is not None for each in outer)
    assert {each.parent_id for each in trace.where(name="inside")} == {each.span_id for each in outer}
    assert {vars(process).get("run") for process in pair} == {None}
    assert (multiprocessing.process.BaseProcess.start, multiprocessing.process.BaseProcess.join) == (START, JOIN)


def test_a_class_of_processes_gives_its_name_and_finds_itself_as_it_was_made():
    queue = multiprocessing.SimpleQueue()
    with kv.record(capture="multiprocessing") as trace:
        pair = [Worker(queue), Worker(queue)]
        for process in pair:
            process.start()
            process.join()
    assert [(each.name, each.lane) for each in trace] == [("Worker", "packer"), ("Worker", "packer #2")]
    assert [queue.get() for _ in pair] == [["queue"], ["queue"]]


@pytest.mark.parametrize(
    ("target", "args", "exit_code", "status", "error"),
    [
        (leave, (0,), 0, "ok", None),
        (leave, (3,), 3, "cancelled", "SystemExit: 3"),
        (fail, (), 1, "error", "ValueError: no such order"),
        (vanish, (), 5, "lost", "the process ended before its function did, exit code 5"),
    ],
)
def test_how_it_ends_is_told(target, args, exit_code, status, error):
    found, code = recorded_one(target, *args)
    assert (code, found.status, found.error) == (exit_code, status, error)


def test_one_that_nobody_joins_is_read_at_the_end_and_one_that_goes_on_is_abandoned():
    context = multiprocessing.get_context("fork")
    event, queue = context.Event(), context.SimpleQueue()
    with kv.record(capture="multiprocessing") as trace:
        ended = started(context, double, queue, 1)
        going_on = started(context, wait_for, event)
        queue.get()
        multiprocessing.connection.wait([ended.sentinel])
    event.set()
    going_on.join()
    ended.join()
    assert {each.name: each.status for each in trace.validate()} == {
        "double": "ok", "inside": "ok", "wait_for": "abandoned",
    }  # fmt: skip
    assert (going_on.exitcode, ended.exitcode) == (0, 0)


def test_those_that_the_program_lets_go_of_are_all_there():
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    with kv.record(capture="multiprocessing") as trace:
        for value in range(6):  # the next one may be where the last one was
            started(context, double, queue, value)
            assert queue.get() == 2 * value
            while multiprocessing.active_children():
                pass
    assert [each.status for each in trace.validate().where(name="double")] == ["ok"] * 6


def test_an_error_is_printed_as_without_a_recording(capfd):
    context = multiprocessing.get_context("fork")

    def printed():
        started(context, fail, name="clerk").join()
        return capfd.readouterr().err

    plain = printed()
    with kv.record(capture="multiprocessing"):
        assert printed() == plain
    assert "no such order" in plain


def test_one_that_was_started_already_says_so():
    context = multiprocessing.get_context("fork")
    with kv.record(capture="multiprocessing") as trace:
        process = started(context, fail)
        process.join()
        with pytest.raises(AssertionError, match="cannot start a process twice"):
            process.start()
    assert len(trace) == 1


def test_its_files_are_gone_after_the_block(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    recorded_one(leave, 0)
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_room_for_files_that_is_said_once(monkeypatch):
    def full(prefix):
        raise OSError("no space left")

    monkeypatch.setattr(processes.tempfile, "mkdtemp", full)
    context = multiprocessing.get_context("fork")
    with pytest.warns(UserWarning, match="processes are not recorded: OSError: no space left") as told:
        with kv.record(capture="multiprocessing") as trace:
            for _ in range(2):
                started(context, leave, 0).join()
    assert len(trace) == 0
    assert [each.category for each in told if each.category is not DeprecationWarning] == [UserWarning]


def test_in_simulated_time_they_are_not_recorded_which_is_said():
    context = multiprocessing.get_context("fork")
    with pytest.warns(UserWarning, match="processes are not recorded in simulated time"):
        with kv.record(clock=FakeClock(), capture="multiprocessing") as trace:
            started(context, leave, 0).join()
    assert len(trace) == 0


def test_processes_of_pools_have_no_bars_of_their_own():
    with kv.record(capture="multiprocessing") as trace, multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    assert {each.name for each in trace} == {"abs"}


def test_the_pools_and_processes_of_multiprocess_are_recorded():
    multiprocess = pytest.importorskip("multiprocess")
    with kv.record(capture="multiprocessing") as trace, multiprocess.get_context("fork").Pool(2) as pool:
        assert pool.map(abs, [-1, -2], chunksize=1) == [1, 2]
        process = multiprocess.get_context("fork").Process(target=leave, args=(0,))
        process.start()
        process.join()
    assert sorted(each.name for each in trace.validate()) == ["abs", "abs", "leave"]


def test_the_workers_of_mpire_are_loops_whose_threads_are_none():
    mpire = pytest.importorskip("mpire")
    with kv.record(capture="all") as trace, mpire.WorkerPool(n_jobs=2, start_method="fork") as pool:
        assert pool.map(abs, range(8)) == list(range(8))
    assert {each.name for each in trace.validate() if each.kind == "branch"} == {"ForkWorker"}


# -- process run ---------------------------------------------------------------------------------------------------


class Process:
    """What a process finds itself to be."""

    def __init__(self, work):
        self.work = work

    def run(self):
        self.attributes = sorted(vars(self))
        self.work()


@pytest.fixture
def run(monkeypatch, tmp_path):
    def run(work, file=None):
        process = Process(work)
        recorded = RecordedRun(
            "library", str(file or tmp_path / "1"), "pack", "order 7", submitted_ns=5, wanted=(True, "", b"", (1, 1))
        )
        process.run = recorded
        monkeypatch.setitem(sys.modules, "library", SimpleNamespace(current_process=lambda: process))
        recorded()
        return process

    return run


def test_an_error_is_raised_without_our_frame(run, tmp_path):
    def work():
        raise ValueError("no such order")

    with pytest.raises(ValueError, match="no such order") as caught:
        run(work)
    files = [entry.path.name for entry in caught.traceback]
    assert "processes.py" not in files
    (row,), _, _ = told(str(tmp_path / "1"))
    assert Row._make(row).error == "ValueError: no such order"


def test_where_the_recording_is_over_nothing_is_written_and_nothing_fails(run, tmp_path):
    run(list, tmp_path / "gone" / "1")
    assert told(str(tmp_path / "gone" / "1")) is None


# -- process diary -------------------------------------------------------------------------------------------------


FOREVER_S = 60.0


def have_time_for_pages():
    """Write all pages in this process, however slow the machine is."""
    processes.FREE_NS = 10**12
    current_scope().recorder.open_spans._diary.next_ns = 0


def do_and_hang(queue, *, has_time=True):
    if has_time:
        have_time_for_pages()
    with kv.span("done"):
        pass
    with kv.span("open"):
        queue.put("now")
        time.sleep(FOREVER_S)


def do_tasks_and_hang(queue):
    async def short():
        await asyncio.sleep(0)

    async def long():
        for _ in range(3):  # the others have ended then
            await asyncio.sleep(0)
        queue.put("now")
        await asyncio.sleep(FOREVER_S)

    async def main():
        await asyncio.gather(short(), short(), long())

    have_time_for_pages()
    asyncio.run(main())


def do_and_leave():
    with kv.span("done"):
        pass


def killed(function, method="fork", **settings):
    """Return the spans of a process that is killed once it says so, by name."""
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    with kv.record(capture="all") as trace:
        process = context.Process(target=function, args=(queue,), kwargs=settings)
        process.start()
        queue.get()
        process.kill()
        process.join()
    return trace.validate()


def joined(function):
    """Return name and status of the spans of a process that ends by itself, sorted."""
    process = multiprocessing.get_context("fork").Process(target=function)
    with kv.record(capture="multiprocessing") as trace:
        process.start()
        process.join()
    return sorted((each.name, each.status) for each in trace.validate())


@pytest.mark.parametrize("method", METHODS)
def test_what_a_killed_process_had_done_is_there_and_what_it_was_doing_is_lost(method):
    trace = killed(do_and_hang, method)
    spans = {each.name: each for each in trace}
    assert {name: each.status for name, each in spans.items()} == {
        "do_and_hang": "lost", "done": "ok", "open": "lost",
    }  # fmt: skip
    assert spans["done"].parent_id == spans["open"].parent_id == spans["do_and_hang"].span_id
    assert {each.lane for each in trace} == {"process-1"}
    assert spans["done"].ended_ns <= spans["open"].started_ns
    assert spans["open"].error == spans["do_and_hang"].error
    assert spans["open"].ended_ns == spans["do_and_hang"].ended_ns  # as far as anybody knows


def test_so_it_is_with_tasks_of_asyncio():
    trace = killed(do_tasks_and_hang)
    assert sorted((each.name.rpartition(".")[2], each.status) for each in trace if each.kind == "branch") == [
        ("do_tasks_and_hang", "lost"), ("long", "lost"), ("main", "lost"), ("short", "ok"), ("short", "ok"),
    ]  # fmt: skip
    (long,) = [each for each in trace if each.name.endswith("long")]
    assert (long.cpu_ns, long.parts[-1].kind, long.parts[-1].ended_ns) == (None, "unknown", long.ended_ns)


def test_one_that_goes_on_when_the_block_ends_is_known_up_to_then():
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    with kv.record(capture="multiprocessing") as trace:
        process = context.Process(target=do_and_hang, args=(queue,))
        process.start()
        queue.get()
    process.kill()
    process.join()
    assert {each.name: each.status for each in trace.validate()} == {
        "do_and_hang": "abandoned", "done": "ok", "open": "abandoned",
    }  # fmt: skip


def test_a_process_that_has_no_time_for_pages_writes_the_first_and_the_last(monkeypatch):
    monkeypatch.setattr(processes, "FREE_NS", 0)
    monkeypatch.setattr(processes, "SHARE", 1e-9)
    assert {each.name: each.status for each in killed(do_and_hang, has_time=False)} == {"do_and_hang": "lost"}
    assert joined(do_and_leave) == [("do_and_leave", "ok"), ("done", "ok")]


def diary_of(file):
    recording = ProcessRecorder((True, "", b"", here()))
    return Diary(str(file), recording), recording.recorder


def test_a_page_that_was_cut_short_is_left_out(tmp_path):
    diary, _ = diary_of(tmp_path / "1")
    diary.begin()
    diary.end()
    whole = (tmp_path / "1").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "1").write_bytes(whole[:length])
        assert told(str(tmp_path / "1")) in (None, ([], [], 0))


def test_a_forked_child_that_goes_on_instead_of_its_parent_writes_nothing():
    def work():
        child = os.fork()
        if child:
            with kv.span("after"):
                os.waitpid(child, 0)

    assert joined(work) == [("after", "ok"), ("work", "ok")]


def test_on_a_full_disk_the_pages_before_are_kept(tmp_path):
    diary, recorder = diary_of(tmp_path / "1")
    diary.begin()
    with full_disk((tmp_path / "1").stat().st_size + 10):
        diary.note()
    assert not recorder.is_open
    diary.end()
    assert told(str(tmp_path / "1")) == ([], [], 0)


def test_one_that_nobody_waits_for_records_no_more(tmp_path):
    diary, recorder = diary_of(tmp_path / "folder" / "1")
    (tmp_path / "folder").mkdir()
    diary.begin()
    shutil.rmtree(tmp_path / "folder")
    diary.note()
    assert not recorder.is_open
    diary.end()
    assert list(tmp_path.iterdir()) == []


def test_the_process_itself_goes_on_then(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    context = multiprocessing.get_context("fork")
    begun, go_on = context.SimpleQueue(), context.SimpleQueue()

    def work():
        begun.put("now")
        go_on.get()
        with kv.span("after"):
            begun.put("done")

    with kv.record(capture="multiprocessing") as trace:
        process = context.Process(target=work)
        process.start()
        begun.get()
    go_on.put("go")
    assert begun.get() == "done"
    process.join()
    assert process.exitcode == 0
    assert [each.status for each in trace] == ["abandoned"]
    assert list(tmp_path.iterdir()) == []


def test_what_ends_while_another_thread_writes_is_on_the_next_page(tmp_path, monkeypatch):
    diary, recorder = diary_of(tmp_path / "1")
    diary.begin()
    diary.next_ns, write, others = 0, Diary._write, []

    def in_another_thread():
        set_scope(Scope(recorder, 0))
        with kv.span("other"):
            pass

    def slowly(self, page):
        if not others:
            others.append(threading.Thread(target=in_another_thread))
            others[0].start()
            others[0].join()
        write(self, page)

    monkeypatch.setattr(Diary, "_write", slowly)
    diary.note()
    rows, opened, _ = told(str(tmp_path / "1"))
    assert ([row[3] for row in rows], opened) == (["other"], [])


def test_several_threads_write_one_diary(tmp_path):
    diary, recorder = diary_of(tmp_path / "1")
    diary.begin()
    start = threading.Barrier(4)

    def work(number):
        set_scope(Scope(recorder, 0))
        start.wait()
        for position in range(200):
            with kv.span(f"{number}-{position}"):
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    diary.end()
    rows, opened, dropped = told(str(tmp_path / "1"))
    assert sorted(row[3] for row in rows) == sorted(f"{n}-{p}" for n in range(4) for p in range(200))
    assert (opened, dropped) == ([], 0)
