"""What the scheduler of a cluster has noted, as branches: without a cluster."""

from __future__ import annotations

from kaygraph_viz.capture.dask.clusters import Call, WorkerLanes, record_notes
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import Recorder, Scope, current_scope, span

MS = 1_000_000


class Times:
    """A clock that the test sets [ns]."""

    is_exact = False

    def __init__(self) -> None:
        self.now = 0

    def now_ns(self) -> int:
        return self.now

    def cpu_ns(self) -> int:
        return 0


def note(key, start_ms, stop_ms, *, asked="out", client="me", worker="tcp://a", needs=(), **more):
    """Return what is known of a task that has run between these times of the scheduler, whose clock is 1 s ahead."""
    times = {"action": "compute", "start": 1 + start_ms / 1_000, "stop": 1 + stop_ms / 1_000}
    known = {
        "key": key, "status": "OK", "worker": worker, "thread": 7, "startstops": [times], "needs": needs,
        "sent": times["start"], "got": times["stop"], "asked": (client, asked), "asked_at": 1.0,
    }  # fmt: skip
    return known | more


def recorded(*notes, calls=None):
    """Return the spans of notes: all of what was handed over at 0."""
    clock = Times()
    recorder = Recorder(clock)  # type: ignore[arg-type]
    clock.now = 100 * MS
    calls = {("me", "out"): [Call(0, Scope(recorder, 0))]} if calls is None else calls(recorder)
    record_notes(recorder, notes, calls, 1_000 * MS, WorkerLanes(recorder))
    columns = recorder.finish()
    names = [columns.names[each] for each in columns.rows["name"]]
    return columns, names


def times_of(columns):
    return [(int(each["started_ns"]) // MS, int(each["ended_ns"]) // MS) for each in columns.rows]


def test_times_are_moved_to_our_clock_and_a_task_waits_from_when_it_can_run():
    columns, names = recorded(note("load-1", 10, 20, got=1.022), note("add-2", 30, 40, needs=["load-1"]))
    assert names == ["load", "add"]
    assert times_of(columns) == [(10, 20), (30, 40)]
    assert columns.links == {2: (1,)}
    assert columns.rows["submitted_ns"].tolist() == [0, 22 * MS]


def test_a_task_has_run_after_it_was_sent_and_before_its_result_was_there():
    columns, _ = recorded(
        note("a", 5, 15, sent=1.010, got=1.030), note("b", 25, 35, worker="tcp://b", sent=1.010, got=1.030),
        note("c", 40, 90, worker="tcp://c", sent=1.050, got=1.060),
    )  # fmt: skip
    assert times_of(columns) == [(10, 20), (20, 30), (50, 60)]


def test_tasks_of_one_thread_do_not_overlap():
    columns, _ = recorded(note("a", 10, 20), note("b", 18, 30), note("c", 18, 30, thread=8))
    assert sorted(times_of(columns)) == [(10, 20), (18, 30), (20, 30)]
    assert columns.attributes[2]["clipped_s"] == 0.002
    assert sorted(columns.lanes) == ["dask-1/thread-1", "dask-1/thread-2"]


def test_coroutines_of_one_thread_overlap_on_lanes_of_their_own():
    times = [(10, 20), (15, 30), (20, 25), (26, 27)]
    columns, _ = recorded(*(note(f"a-{start}", start, stop, is_coroutine=True) for start, stop in times))
    assert times_of(columns) == times
    lanes = [columns.lanes[each] for each in columns.rows["lane"]]
    assert lanes == ["dask-1/task-1", "dask-1/task-2", "dask-1/task-1", "dask-1/task-1"]
    assert not columns.attributes.get(2, {}).get("clipped_s")


def test_an_attempt_waits_from_when_the_one_before_has_failed():
    failed = note("a", 10, 20, got=1.021, status="error", exception_text="no")
    columns, _ = recorded(failed, note("a", 30, 40, attempt=2))
    assert columns.links == {2: (1,)}
    assert columns.rows["submitted_ns"].tolist() == [0, 21 * MS]
    assert columns.attributes[2]["attempt"] == 2


def inner(key, start_ms, stop_ms, *, by, asked_ms, **more):
    """Return what is known of a task that another one has handed over."""
    return note(key, start_ms, stop_ms, client="Client-worker-1", by=by, asked_at=1 + asked_ms / 1_000, **more)


def test_a_task_that_another_one_has_handed_over_belongs_to_that_run_of_it():
    columns, names = recorded(
        note("a", 0, 20, run=1, status="error"), note("a", 30, 60, run=2, attempt=2),
        inner("b", 35, 40, by=2, asked_ms=32, run=3, thread=8), inner("c", 36, 38, by=3, asked_ms=36, run=4, thread=9),
    )  # fmt: skip
    assert names == ["a", "a", "b", "c"]
    assert columns.rows["parent_id"].tolist() == [0, 0, 2, 3]
    assert columns.rows["submitted_ns"].tolist()[2:] == [32 * MS, 36 * MS]


def test_a_task_encloses_what_it_has_handed_over_whatever_the_clocks_of_workers_say():
    columns, _ = recorded(
        inner("b", 12, 45, by=1, asked_ms=10, run=2, worker="tcp://b"), note("a", 20, 40, run=1, sent=1.005, got=1.050),
    )  # fmt: skip
    assert columns.rows["parent_id"].tolist() == [0, 2]
    assert times_of(columns) == [(10, 45), (12, 45)]


def test_what_has_outlived_the_task_that_handed_it_over_belongs_to_the_scope_of_that():
    def calls(recorder):
        return {("me", "out"): [Call(0, Scope(recorder, 7))]}

    columns, _ = recorded(
        note("a", 0, 20, run=1), inner("b", 15, 40, by=1, asked_ms=10, run=2, worker="tcp://b"), calls=calls
    )
    assert columns.rows["parent_id"].tolist() == [7, 7]


def test_what_others_or_their_tasks_have_handed_over_is_left_out():
    _, names = recorded(
        note("theirs", 0, 9, client="you", run=1), inner("a", 1, 2, by=1, asked_ms=1, run=2),
        inner("b", 3, 4, by=None, asked_ms=1, run=3), inner("c", 5, 6, by=2, asked_ms=1, run=4),
        note("before", 7, 8, asked="another graph"), note("unknown", 8, 9, client="", asked=""),
    )  # fmt: skip
    assert names == []


def test_a_task_that_has_run_twice_is_linked_as_it_was_last():
    columns, _ = recorded(note("a", 0, 10), note("a", 20, 30), note("b", 40, 50, needs=["a", "kept before"]))
    assert columns.links == {3: (2,)}


def test_tasks_of_others_and_of_our_own_executor_are_left_out():
    _, names = recorded(
        note("mine", 0, 1), note("theirs", 2, 3, client="you"), note("kaygraph_viz-1", 4, 5),
        note("inner", 6, 7, client="Client-worker-1"), note("read", 8, 9, startstops=[]),
    )  # fmt: skip
    assert names == ["mine", "inner"]


def test_errors_and_lost_tasks_say_why():
    columns, _ = recorded(
        note("a", 0, 10, status="error", exception_text="ValueError('no')"),
        note("b", 0, 20, status="lost", startstops=[], needs=["a"]),
    )
    assert list(columns.errors.values()) == ["ValueError('no')", "the worker at tcp://a was lost"]
    assert [columns.lanes[each] for each in columns.rows["lane"]] == ["dask-1/thread-1", "lost"]


def test_the_same_call_again_is_another_call():
    def calls(recorder):
        return {("me", "out"): [Call(0, Scope(recorder, 3)), Call(50 * MS, Scope(recorder, 4))]}

    columns, _ = recorded(note("a", 60, 70), note("b", 60, 70, thread=8, asked_at=1.050), calls=calls)
    assert columns.rows["parent_id"].tolist() == [3, 4]
    assert columns.rows["submitted_ns"].tolist() == [0, 50 * MS]


def test_where_the_scheduler_does_not_tell_a_task_belongs_to_the_last_call():
    def calls(recorder):
        return {("me", "x"): [Call(50 * MS, Scope(recorder, 4))], ("me", "y"): [Call(0, Scope(recorder, 3))]}

    told = ("key", "status", "worker", "thread", "startstops")
    plain = [{name: each[name] for name in told} for each in (note("a", 10, 20), note("b", 60, 70))]
    columns, _ = recorded(*plain, calls=calls)
    assert columns.rows["parent_id"].tolist() == [3, 4]


def test_a_task_that_has_outlived_its_span_belongs_to_the_one_around_that():
    with record() as trace:
        with span("outer") as outer:
            with span("inner") as inner:
                scope = current_scope()
            recorder = scope.recorder
            end_ns = recorder.now_ns()
            within, after = (1 + each / 1e9 for each in (inner._started_ns, end_ns))
            times = [{"action": "compute", "start": at, "stop": at} for at in (within, after)]
            calls = {("me", "out"): [Call(inner._started_ns, scope)]}
        notes = [note("a", 0, 0, startstops=[each], sent=each["start"], got=each["stop"]) for each in times]
        record_notes(recorder, notes, calls, 1_000 * MS, WorkerLanes(recorder))
    assert [each.parent_id for each in trace if each.name == "a"] == [inner.span_id, outer.span_id]
