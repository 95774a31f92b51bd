"""What processes write down while they run, so that those that are killed are known up to then."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import tempfile
import threading
import time

import pytest

import kaygraph_viz as kv
from kaygraph_viz.capture import processes
from kaygraph_viz.capture.process_recorder import Away, here
from kaygraph_viz.capture.processes import Diary, told
from kaygraph_viz.trace.recorder import Scope, current_scope, set_scope
from tests.full_disk import full_disk

pytestmark = [
    pytest.mark.processes,
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # from 3.12 on: of a fork beside threads
]
METHODS = multiprocessing.get_all_start_methods()
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
    away = Away((True, "", b"", here()))
    return Diary(str(file), away), away.recorder


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
