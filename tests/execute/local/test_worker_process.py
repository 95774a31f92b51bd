"""What happens inside a worker process: its surroundings, and its answers to the messages of the parent."""

from __future__ import annotations

import os
import pickle
import random
import socket
import sys
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from kaygraph_viz.execute.local import worker_process
from kaygraph_viz.execute.local.answers import AnswerReader, SharedProgress, records_in
from kaygraph_viz.execute.pickling import by_value
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span
from tests.execute.local.process_helpers import GUARD_S, pid_of, values

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_a_child_loads_no_numpy_and_no_pictures(one):
    loaded = one.imap(lambda _: sorted({"numpy", "matplotlib", "ipywidgets", "pandas"} & sys.modules.keys()), [1])
    assert values(loaded) == [[]]


def test_the_child_finds_modules_and_files_where_the_parent_does(one, tmp_path, monkeypatch):
    (tmp_path / "near_by.py").write_text("ANSWER = 42")
    (tmp_path / "here.txt").write_text("text")
    values(one.imap(pid_of, [1]))  # also one that is already there

    def look(_):
        import near_by

        return near_by.ANSWER, Path("here.txt").read_text()

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert values(one.imap(look, [1])) == [(42, "text")]


def test_printing_and_reading_in_a_child_breaks_nothing(one, capfd):
    def talk(x):
        print("from", x)
        return sys.stdin.read()

    assert values(one.imap(talk, ["below"])) == [""]
    one.close()
    assert capfd.readouterr().out == "from below\n"


def test_each_child_has_a_random_state_of_its_own():
    random.seed(1)
    with get_executor("process", 2) as executor:
        first = values(executor.imap(lambda _: random.random(), range(2)))
    random.seed(1)
    with get_executor("process", 2) as executor:
        assert set(first).isdisjoint(values(executor.imap(lambda _: random.random(), range(2))))


def test_spans_of_a_child_are_nested_in_its_branch(two):
    def run(x):
        with span("outer", x=x) as outer, span("inner") as inner:
            inner.link(outer)
        return x

    with record() as trace, span("exec", kind="phase"):
        assert values(two.imap(run, range(40))) == list(range(40))
    by_id = {s.span_id: s for s in trace}
    (phase,) = trace.where(kind="phase")
    for branch in [s for s in trace if s.name == "run"]:
        assert branch.parent_id == phase.span_id
        assert branch.lane in ("process-1", "process-2")
        assert branch.cpu_ns is not None
        (outer,) = [s for s in trace if s.parent_id == branch.span_id]
        (inner,) = [s for s in trace if s.parent_id == outer.span_id]
        assert (outer.name, inner.name, outer.attributes["x"]) == ("outer", "inner", branch.index)
        assert [by_id[number].name for number in inner.links] == ["outer"]
        assert {outer.lane, inner.lane} == {branch.lane}


def test_attempts_and_waits_of_a_child_are_spans(one):
    def fail(x):
        raise ValueError("no")

    with record() as trace:
        list(one.imap(fail, [1], retry=RetryPolicy(3, wait=0.01), on_error="collect"))
    assert trace.counts()["attempt"] == 3
    assert [s.service_s >= 0.01 for s in trace.where(kind="wait")] == [True, True]


# -- its answers, asked in this process ----------------------------------------------------------------------------


class Served:
    """A server in a thread of this process, and the parent's ends of its pipe and memory."""

    def __init__(self, pipe, progress, thread):
        self.pipe = pipe
        self.answers = AnswerReader(pipe, os.getpid())
        self.progress = progress
        self.thread = thread
        self.number = 0

    def ask(self, function, items, *, recording=False, **header):
        """Send a call and a chunk of items; return the records that come of it."""
        call = by_value((function, None, header.pop("retry", RetryPolicy(1)), None))
        said = {
            "call": call, "name": "look", "owner": "Check", "timeout_s": None, "max_spans": 100 * recording,
            "wanted": (recording, "", b"", (0, 0)), "context": [], "path": list(sys.path), "folder": str(Path.cwd()),
        }  # fmt: skip
        self.pipe.send_bytes(pickle.dumps(said | header))
        self.progress.clear()
        self.number += 1
        self.pipe.send_bytes(pickle.dumps((self.number, list(range(len(items))), items)))
        answer = None
        while answer is None:
            assert self.answers.has_news(GUARD_S)
            answer = self.answers.read(self.number)
        return answer if answer[:1] == b"!" else records_in(self.progress.written(answer)[1])


@pytest.fixture
def served(monkeypatch):
    monkeypatch.setattr(worker_process, "SLICE_NS", 10**12)  # a busy machine may take its time for an item
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryFile() as file:
        file.truncate(SharedProgress.SIZE)
        mine, its = SharedProgress(file.fileno()), SharedProgress(file.fileno())
    pipe, other_end = Connection(ours.detach()), Connection(theirs.detach())
    thread = threading.Thread(target=worker_process._Server(other_end, its).serve)
    thread.start()
    yield Served(pipe, mine, thread)
    pipe.send_bytes(b"")  # that is how it learns that it is not needed any more
    pipe.close()
    thread.join(GUARD_S)
    assert not thread.is_alive()
    other_end.close()
    mine.close()
    its.close()


def test_plain_values_are_short_records_with_their_times(served):
    records = served.ask(lambda x: x + 1, [1, 2, 3])
    assert [record[0] for record in records] == [2, 3, 4]
    assert all(started <= ended for _, started, ended, _ in records)
    assert served.progress.is_ready


def test_the_rest_of_a_chunk_is_given_back_when_its_time_is_up(served, monkeypatch):
    monkeypatch.setattr(worker_process, "SLICE_NS", -1)
    assert [record[0] for record in served.ask(lambda x: x, [1, 2, 3])] == [1]
    assert len(served.ask(lambda x: x, [1, 2, 3], recording=True)) == 1


def test_a_record_that_is_too_large_for_the_memory_ends_its_chunk(served):
    records = served.ask(lambda x: "x" * x, [10, SharedProgress.SIZE, 10])
    assert [len(record[0]) for record in records] == [10, SharedProgress.SIZE]
