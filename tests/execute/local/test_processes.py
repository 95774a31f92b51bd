"""What only processes do: being killed, dying, pickling, chunks, ending with their parent.

The processes and the test talk through files and pipes. What a child gets to run is mostly made inside
a test, and so travels by value.
"""

from __future__ import annotations

import gc
import itertools
import os
import pickle
import random
import signal
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import kaygraph_viz as kv
from kaygraph_viz.base.errors import BranchError, DeadlineExceeded, WorkerLostError
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.local import process_starter, processes
from kaygraph_viz.execute.local.answers import MAX_CHUNK
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from tests.execute.local.process_helpers import (
    GUARD_S,
    children_of_ours,
    hang,
    is_alive,
    pid_of,
    values,
    wait_for,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("nothing_is_left")


# -- what the processes are ------------------------------------------------------------------------------------------


def test_they_are_other_processes_started_only_as_far_as_needed_and_used_again():
    with get_executor("process", 4) as executor:
        assert not executor._pool._all  # its own: those that an earlier test forgot are ending meanwhile
        (first,) = values(executor.imap(pid_of, [1]))
        (again,) = values(executor.imap(pid_of, [1]))
        assert first == again != os.getpid()
        assert {child.pid for child in executor._pool._all} == {first}
    assert not is_alive(first)


def test_it_travels_as_a_new_one():
    with get_executor("process", 3) as executor:
        copy = pickle.loads(pickle.dumps(executor))
    with copy:
        assert (copy.kind, copy.workers) == ("process", 3)


# -- what travels ----------------------------------------------------------------------------------------------------


def test_lambdas_closures_methods_and_local_classes_work(two):
    class Local:
        def __init__(self, number):
            self.number = number

        def plus(self, x):
            return Local(self.number + x)

    ten = 10
    assert values(two.imap(lambda x: x + ten, [1])) == [11]
    (made,) = values(two.imap(Local(1).plus, [2]))
    assert type(made) is Local
    assert made.number == 3


def test_a_function_that_cannot_be_sent_is_a_clear_error(two):
    lock = threading.Lock()
    with pytest.raises(BranchError, match=r"the function of 'Check' cannot be sent .* cannot pickle '_thread.lock'"):
        list(two.imap(lambda _: lock, [1], owner="Check", on_error="collect"))


def test_a_function_that_cannot_be_loaded_is_a_clear_error(two):
    class Broken:
        def __call__(self, x):
            return x

        def __reduce__(self):
            return exec, ("raise ImportError('no such module')",)

    with pytest.raises(BranchError, match="could not be loaded in a worker process: ImportError: no such module"):
        list(two.imap(Broken(), range(5), owner="Check", on_error="collect"))
    assert values(two.imap(str, [1])) == ["1"]


class Unloadable:
    """Can be packed, and fails when it is loaded."""

    def __reduce__(self):
        return exec, ("raise LookupError('not here')",)


class Shy(Exception):
    """Can be packed, and fails when it is loaded: the usual mistake."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def test_items_that_cannot_travel_fail_alone_and_say_why(two):
    items = [1, threading.Lock(), Unloadable(), "two"]
    with record() as trace:
        outcomes = list(two.imap(lambda x: x, items, on_error="collect", owner="Check"))
    assert [outcome.status for outcome in outcomes] == ["ok", "error", "error", "ok"]
    assert "item 1 of 'Check' cannot be sent" in str(outcomes[1].error)
    assert "cannot pickle '_thread.lock' object" in str(outcomes[1].error)
    assert "item 2 of 'Check' could not be loaded in the worker process: LookupError: not here" in str(
        outcomes[2].error
    )
    assert sorted((s.index, s.status) for s in trace) == [(0, "ok"), (1, "error"), (2, "error"), (3, "ok")]


def test_results_that_cannot_travel_fail_alone_and_say_why(two):
    def make(x):
        return {"lock": threading.Lock, "unloadable": Unloadable, "plain": dict}[x]()

    with record() as trace:
        outcomes = list(two.imap(make, ["plain", "lock", "unloadable", "plain"], on_error="collect", owner="Check"))
    assert [outcome.status for outcome in outcomes] == ["ok", "error", "error", "ok"]
    assert "item 1 of 'Check' returned a value that cannot be sent back: " in str(outcomes[1].error)
    assert "cannot pickle '_thread.lock' object" in str(outcomes[1].error)
    assert "item 2 of 'Check' returned a value that cannot be loaded here: LookupError" in str(outcomes[2].error)
    assert sorted((s.index, s.status) for s in trace) == [(0, "ok"), (1, "error"), (2, "error"), (3, "ok")]


def test_errors_that_cannot_travel_keep_their_text(two):
    class Holding(Exception):
        def __init__(self, text):
            super().__init__(text)
            self.lock = threading.Lock()

    def fail(x):
        raise Holding("held") if x else Shy("one", "two")

    shy, holding = two.imap(fail, [0, 1], on_error="collect", owner="Check")
    assert "cannot be sent between processes: Shy: one and two" in str(shy.error)
    assert "cannot be sent between processes: Holding: held" in str(holding.error)
    assert "raise Holding" in holding.traceback


def test_errors_keep_type_notes_cause_and_traceback(two):
    def fail(x):
        try:
            raise KeyError("inner")
        except KeyError as error:
            made = ValueError("outer")
            made.add_note("a note")
            raise made from error

    (outcome,) = two.imap(fail, [1], on_error="collect", owner="Check")
    assert type(outcome.error) is ValueError
    assert outcome.error.__notes__ == ["a note", "in item 0 of 'Check'"]
    assert type(outcome.error.__cause__) is KeyError
    assert 'raise KeyError("inner")' in outcome.traceback
    assert "in fail" in outcome.traceback


def test_a_result_of_many_megabytes_comes_back(two):
    assert [len(value) for value in values(two.imap(lambda n: b"x" * n, [10, 3_000_000, 20, 3_000_000, 30]))] == [
        10, 3_000_000, 20, 3_000_000, 30,
    ]  # fmt: skip


def test_large_items_and_large_results_in_one_chunk(one):
    items = [b"y" * 50_000] * 300
    assert values(one.imap(lambda x: x, items)) == items


# -- dying -----------------------------------------------------------------------------------------------------------


def die_by(how):
    import ctypes

    match how:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(0)
        case "crash":
            ctypes.string_at(0)
    return how


@pytest.mark.parametrize(
    ("how", "code", "word"), [("kill", -9, "SIGKILL"), ("exit", 0, "code 0"), ("crash", -11, "SIGSEGV")]
)
def test_a_process_that_dies_costs_its_item_only(two, how, code, word):
    items = ["a"] * 20 + [how] + ["b"] * 20
    with record() as trace:
        outcomes = list(two.imap(die_by, items, on_error="collect", owner="Check"))
    assert [outcome.status for outcome in outcomes] == ["ok"] * 20 + ["lost"] + ["ok"] * 20
    error = outcomes[20].error
    assert type(error) is WorkerLostError
    assert (error.exit_code, error.item) == (code, "item 20 of 'Check'")
    assert f"worker process {error.pid} ended" in str(error)
    assert word in str(error)
    assert [s.index for s in trace if s.status == "lost"] == [20]
    assert values(two.imap(str, range(3))) == ["0", "1", "2"]


def test_no_item_of_a_chunk_is_run_twice_when_its_process_dies(one, tmp_path):
    log = tmp_path / "log"

    def run(x):
        with log.open("a") as file:
            file.write(f"{x}\n")
        if x == 150:
            os._exit(1)
        return x

    outcomes = list(one.imap(run, range(300), on_error="collect"))
    assert [outcome.index for outcome in outcomes if not outcome.ok] == [150]
    assert [int(line) for line in log.read_text().split()] == list(range(300))


def test_processes_killed_from_outside_all_the_time(two):
    outcomes, kills = [], 0
    with record():
        for outcome in two.imap(lambda x: sum(range(20_000)) and x, range(1000), window=50, on_error="collect"):
            outcomes.append(outcome)
            if outcome.index % 200 == 100:
                for pid in sorted(children_of_ours())[-1:]:
                    with suppress(psutil.Error):
                        psutil.Process(pid).kill()
                        kills += 1
    assert kills == 5
    assert [outcome.index for outcome in outcomes] == list(range(1000))
    lost = [outcome for outcome in outcomes if outcome.status == "lost"]
    assert all(outcome.value == outcome.index for outcome in outcomes if outcome.status == "ok")
    assert len(lost) <= kills
    assert {outcome.status for outcome in outcomes} <= {"ok", "lost"}


def test_processes_killed_without_regard_to_what_they_do(two):
    """Some before they begin; who kills does not wait for any progress, only somewhat longer than a start takes."""
    kills, is_over, chosen = [], threading.Event(), random.Random(1)
    began = time.monotonic()
    values(two.imap(pid_of, [1]))
    start_s = time.monotonic() - began

    def kill():
        while not is_over.wait(1.2 * start_s):
            for pid in chosen.sample(pids := sorted(children_of_ours()), min(1, len(pids))):
                with suppress(psutil.Error):
                    psutil.Process(pid).kill()
                    kills.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        outcomes = list(two.imap(lambda x: sum(range(200_000)) and x, range(300), on_error="collect"))
    finally:
        is_over.set()
        killer.join()
    assert [outcome.index for outcome in outcomes] == list(range(300))
    assert {outcome.status for outcome in outcomes} <= {"ok", "lost"}
    assert sum(outcome.status == "lost" for outcome in outcomes) <= len(kills)


# -- deadlines -------------------------------------------------------------------------------------------------------


def stubborn(x):
    if x == "stuck":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            pass
    return x


def test_a_late_branch_is_killed_and_its_process_replaced(two):
    with record() as trace:
        outcomes = list(two.imap(stubborn, ["a", "stuck", "b", "c"], timeout=0.3, on_error="collect", owner="Check"))
    assert [outcome.status for outcome in outcomes] == ["ok", "timeout", "ok", "ok"]
    assert type(outcomes[1].error) is DeadlineExceeded
    assert "item 1 of 'Check' was still running after its timeout of 0.3 s" in str(outcomes[1].error)
    late = next(s for s in trace if s.index == 1)
    assert late.status == "timeout"
    assert late.service_s >= 0.3
    assert outcomes[1].service_s == late.service_s


def test_the_time_of_an_item_begins_with_itself_not_with_its_chunk(one, monkeypatch, tmp_path):
    pids = values(one.imap(pid_of, [1]))
    behind_s = [2 * GUARD_S]  # by so much the parent's clock goes on between sending the chunk and the item's begin
    answer = process_starter.Child.answer

    def answer_late(child, within_s):
        if behind_s:
            wait_until(lambda: child.progress.in_progress is not None)
            behind_s.clear()
            return None
        (tmp_path / "go").touch()
        return answer(child, within_s)

    monkeypatch.setattr(process_starter.Child, "answer", answer_late)
    monkeypatch.setattr(processes, "perf_counter_ns", lambda: time.perf_counter_ns() - round(sum(behind_s) * 1e9))
    assert values(one.imap(lambda _: wait_for(tmp_path / "go") or os.getpid(), [1], timeout=GUARD_S)) == pids


def test_a_timeout_within_a_chunk_takes_nothing_else(one):
    outcomes = list(one.imap(lambda x: x == 250 and signal.pause(), range(300), timeout=0.3, on_error="collect"))
    assert [outcome.index for outcome in outcomes if not outcome.ok] == [250]
    assert outcomes[250].status == "timeout"


# -- stopping --------------------------------------------------------------------------------------------------------


def test_an_interrupt_kills_what_runs_and_starts_nothing(two, tmp_path, monkeypatch):
    paths = [str(tmp_path / str(number)) for number in range(20)]

    class Interrupted(processes.ProcessWorkerPool):
        def outcomes(self):
            wait_until(lambda: sum(Path(path).exists() for path in paths) == 2)
            raise KeyboardInterrupt
            yield

    monkeypatch.setattr(processes, "ProcessWorkerPool", Interrupted)
    with pytest.raises(KeyboardInterrupt), record() as trace:
        list(two.imap(hang, paths))
    assert [s.status for s in trace] == ["cancelled"] * 2
    pids = [int(Path(path).read_text()) for path in paths if Path(path).exists()]
    assert len(pids) == 2
    wait_until(lambda: not any(map(is_alive, pids)))
    monkeypatch.undo()
    assert values(two.imap(str, [1])) == ["1"]


def test_a_cancelled_call_kills_what_runs(two, tmp_path):
    token, path = CancelToken(), str(tmp_path / "pid")

    def cancel():
        wait_until(Path(path).exists)
        token.cancel()

    other = threading.Thread(target=cancel)
    other.start()
    with pytest.raises(kv.KayGraphVizError, match="was cancelled"):
        list(two.imap(hang, [path], cancel=token))
    other.join()
    wait_until(lambda: not is_alive(int(Path(path).read_text())))


def test_an_item_that_was_not_sent_any_more_has_not_the_result_of_the_one_before(one):
    token = CancelToken()

    class CancelsAsItIsSent:
        def __reduce__(self):
            token.cancel()
            return str, ()

    with record() as trace:
        with pytest.raises(kv.KayGraphVizError, match="was cancelled"):
            list(one.imap(str, [1, CancelsAsItIsSent()], cancel=token))
        wait_until(lambda: not [each for each in threading.enumerate() if each.name.startswith("process-")])
    assert [(branch.index, branch.status) for branch in trace] == [(0, "ok")]


def test_closing_early_waits_for_the_items_in_progress(two, tmp_path):
    def run(x):
        if x == 1:
            wait_for(tmp_path / "go")
            (tmp_path / "ended").touch()
        return x

    outcomes = two.imap(run, itertools.count(), ordered=False, window=0)
    assert next(outcomes).value == 0
    (tmp_path / "go").touch()
    outcomes.close()
    assert (tmp_path / "ended").exists()


def test_an_input_that_blocks_keeps_no_result_back(one):
    read = threading.Semaphore(0)

    def pages():
        for page in range(50):
            yield from range(10)
            assert all(read.acquire(timeout=GUARD_S) for _ in range(10)), page

    for _ in one.imap(lambda x: x, pages(), window=200):
        read.release()


# -- traces and nodes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("each_ns", "least", "most"), [(0, 16, MAX_CHUNK), (processes.SHORT_NS, 1, 1)])
def test_short_items_are_sent_in_chunks_and_long_ones_alone(one, monkeypatch, each_ns, least, most):
    sizes, ticks = [], itertools.count(0, each_ns)
    ask = process_starter.Child.ask
    monkeypatch.setattr(
        process_starter.Child, "ask", lambda self, *chunk: sizes.append(len(chunk[2])) or ask(self, *chunk)
    )
    monkeypatch.setattr(processes, "perf_counter_ns", ticks.__next__)
    values(one.imap(str, range(3000)))
    assert sizes[0] == 1
    assert least <= max(sizes) <= most


class Nested(kv.ParallelBatchNode):
    def prep(self, shared):
        return [3, 4]

    def exec(self, count):
        with get_executor("process", 2) as executor:
            return sum(values(executor.imap(abs, range(count))))

    def post(self, shared, prep_res, exec_res):
        shared["sums"] = exec_res


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_processes_inside_branches_do_not_deadlock(kind):
    shared = {}
    with record():
        kv.Graph(start=Nested(2, kind, progress=False)).run(shared)
    assert shared["sums"] == [3, 6]


@pytest.mark.thorough
def test_memory_is_flat_over_100_000_items(two):
    alive = weakref.WeakSet()
    most = 0

    class Item:
        def __reduce__(self):
            return int, ()

    def items():
        for _ in range(100_000):
            alive.add(item := Item())
            yield item

    gc.collect()
    for outcome in two.imap(abs, items(), window=500):
        if outcome.index % 1000 == 0:
            most = max(most, len(alive))
    assert outcome.index == 99_999
    assert most <= 2 * (2 + 500)
