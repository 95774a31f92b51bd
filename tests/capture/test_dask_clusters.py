"""Tasks of Dask's clusters: real ones, of processes and of threads."""

from __future__ import annotations

import gc
import os
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

import kaygraph_viz as kv
from kaygraph_viz.capture.dask import clusters as clusters_module, reporter as reporter_module

dask = pytest.importorskip("dask")
from tests.capture.dask_calls import add, fail, load  # noqa: E402

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.processes, pytest.mark.leaves_threads]


go = threading.Event()  # for tasks in threads of this process


def wait_for_go(number):
    go.wait()
    return number


def plus(one, two):
    return one + two


def end_worker(number):
    os._exit(3)


def submitting(number):
    with distributed.worker_client() as client:
        return client.submit(plus, number, 1).result()


def submitting_in_turn(depth):
    client = distributed.get_client()
    if not depth:
        return 0
    inner = client.submit(submitting_in_turn, depth - 1)
    distributed.secede()
    result = inner.result() + 1
    distributed.rejoin()
    return result


def fail_at_first(folder, times):
    """Fail a number of times, whichever process runs this."""
    attempt = len(list(folder.iterdir()))
    (folder / f"{attempt}").touch()
    if attempt < times:
        raise ValueError(attempt)
    return attempt


def pooled(number):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(abs, number).result()


def pooled_and_failing_at_first(folder):
    pooled(1)
    return fail_at_first(folder, 1)


def end_worker_at_first(folder):
    if not list(folder.iterdir()):
        (folder / "0").touch()
        os._exit(3)
    return 1


def say_and_wait(folder):
    """Tell that this runs, and wait until the test lets it end."""
    (folder / "runs").touch()
    while not (folder / "go").exists():
        os.sched_yield()


def let_go_at_end(cluster, there):
    while cluster.status.name == "running":
        os.sched_yield()
    there.touch()


def until(there):
    while not there.exists():
        os.sched_yield()


def total():
    return add([load(number) for number in range(4)])


def found_in(trace, name):
    return [each for each in trace if each.name == name]


def labels_of(spans):
    return [each.attributes.get("label") for each in spans]


@pytest.fixture(scope="module")
def clusters():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(processes=True, **options) as processes,
        distributed.LocalCluster(processes=False, **options) as threads,
    ):
        yield {"processes": processes, "threads": threads}


@pytest.fixture(params=["processes", "threads"])
def cluster(request, clusters):
    return clusters[request.param]


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as found:
        yield found


@pytest.fixture
def in_threads(clusters):
    with distributed.Client(clusters["threads"]) as found:
        yield found


@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_what_a_task_begins_lies_within_it(clusters, kind):
    with distributed.Client(clusters[kind]) as client:
        with kv.record(capture=["dask", "futures"]) as trace:
            assert client.gather(client.map(pooled, [1, 2], pure=False)) == [1, 2]
        assert client.submit(pooled, 3, pure=False).result() == 3
    trace.validate()
    tasks = {each.span_id: each for each in found_in(trace, "pooled")}
    inner = found_in(trace, "abs")
    assert {each.parent_id for each in inner} == tasks.keys()
    for each in inner:
        task = tasks[each.parent_id]
        assert each.lane == f"{task.lane}/thread-1"
        assert task.started_ns <= each.started_ns <= each.ended_ns <= task.ended_ns


def test_what_tasks_begin_and_is_too_much_for_the_scheduler_is_one_warning(in_threads, monkeypatch):
    monkeypatch.setattr(reporter_module, "MOST_INNER", 1)
    with pytest.warns(UserWarning, match="what 2 tasks of the Dask cluster began is not recorded"):
        with kv.record(capture=["dask", "futures"]) as trace:
            assert in_threads.gather(in_threads.map(pooled, [1, 2], pure=False)) == [1, 2]
    assert [each.name for each in trace] == ["pooled", "pooled"]


def test_what_is_handed_over_as_the_last_client_of_another_thread_is_closed_is_recorded(in_threads, monkeypatch):
    note, is_read = clusters_module._Watch.note, []

    def note_late(self, *args):
        if not is_read:
            is_read.append(self.read())  # as the other thread does just then
        return note(self, *args)

    monkeypatch.setattr(clusters_module._Watch, "note", note_late)
    with kv.record(capture="dask") as trace:
        assert in_threads.submit(plus, 1, 2, pure=False).result() == 3
    assert [each.name for each in trace] == ["plus"]


def test_workers_are_left_alone_when_the_program_is_gone(clusters):
    cluster = clusters["threads"]
    (worker, _) = cluster.workers.values()
    scheduler = cluster.scheduler
    before = set(worker.plugins), set(scheduler.worker_plugins)
    with distributed.Client(cluster) as client, kv.record(capture="dask"):
        assert client.submit(plus, 1, 2, pure=False).result() == 3
        (reporter,) = (each for name, each in scheduler.plugins.items() if name.startswith(clusters_module.OURS))
        assert set(worker.plugins) > before[0]
        scheduler.loop.add_callback(reporter.remove_client, scheduler, client.id)  # as if the program had died
        while set(worker.plugins) > before[0]:
            os.sched_yield()
    assert (set(worker.plugins), set(scheduler.worker_plugins)) == before


def test_what_each_attempt_of_a_task_begins_lies_within_that(clusters, tmp_path):
    with distributed.Client(clusters["threads"]) as client, kv.record(capture=["dask", "futures"]) as trace:
        assert client.submit(pooled_and_failing_at_first, tmp_path, retries=1, pure=False).result() == 1
    trace.validate()
    attempts = found_in(trace, "pooled_and_failing_at_first")
    assert [each.status for each in attempts] == ["error", "ok"]
    assert [each.parent_id for each in found_in(trace, "abs")] == [each.span_id for each in attempts]


def test_tasks_of_a_graph_have_parents_links_and_labels(client, tmp_path):
    with kv.record(capture="dask", label=lambda found: f"{found}") as trace:
        with kv.span("outer") as outer:
            assert total().compute(scheduler=client) == 6
    trace.validate()
    loads, (last,) = found_in(trace, "load"), found_in(trace, "add")
    assert len(trace) == 6
    assert {each.parent_id for each in [*loads, last]} == {outer.span_id}
    assert set(last.links) == {each.span_id for each in loads}
    assert not any(each.links for each in loads)
    assert last.started_ns >= max(each.ended_ns for each in loads)
    assert sorted(labels_of(loads)) == ["0", "1", "2", "3"]
    assert sorted(labels_of([last])[0]) == sorted("[0, 1, 2, 3]")
    assert {each.lane for each in loads} <= {"dask-1/thread-1", "dask-2/thread-1"}
    path = trace.save(tmp_path / "dask.jsonl.gz")
    assert list(kv.load(path)) == list(trace)


def test_futures_as_arguments_are_links(client):
    with kv.record(capture="dask", label="arguments") as trace:
        first = client.submit(plus, 1, 2)
        others = client.map(plus, [10, 20], two=first)
        assert client.gather(others) == [13, 23]
        assert client.submit(sum, others).result() == 36
    one, *two, three = trace.spans
    assert {each.links for each in two} == {(one.span_id,)}
    assert set(three.links) == {each.span_id for each in two}
    assert labels_of([one]) == ["1, 2"]
    assert sorted(labels_of(two)) == ["10, two=3", "20, two=3"]


def test_a_task_belongs_to_the_span_in_which_it_was_handed_over(in_threads):
    go.clear()
    with kv.record(capture="dask") as trace:
        with kv.span("one") as one:
            first = in_threads.compute([dask.delayed(wait_for_go)(number) for number in range(6)])
            with kv.span("two") as two:
                second = in_threads.compute([load(number) for number in range(3)])
                go.set()
                in_threads.gather(second)
            in_threads.gather(first)
        with kv.span("over"):
            go.clear()
            late = in_threads.compute(dask.delayed(wait_for_go)(6))
        go.set()
        late.result()
    waits = found_in(trace, "wait_for_go")
    assert [each.parent_id for each in waits[:6]] == [one.span_id] * 6
    assert [each.parent_id for each in found_in(trace, "load")] == [two.span_id] * 3
    assert waits[6].parent_id is None
    assert max(each.submitted_ns for each in waits[:6]) < min(each.ended_ns for each in waits)


def test_a_task_that_fails_says_so_with_its_label(client):
    with kv.record(capture="dask", label="arguments") as trace, pytest.raises(ValueError, match="7"):
        fail(7).compute(scheduler=client)
    assert [(each.name, each.status, each.error) for each in trace] == [("fail", "error", "ValueError(7)")]
    assert labels_of(trace) == ["7"]


def test_tasks_that_hand_over_tasks_are_their_parents(client):
    with kv.record(capture="dask") as trace:
        with kv.span("outer") as outer:
            assert client.gather(client.map(submitting, range(3))) == [1, 2, 3]
            assert client.submit(submitting_in_turn, 3).result() == 3
    trace.validate()
    names = {each.span_id: each.name for each in trace}
    parents = [names[each.parent_id] for each in trace if each.parent_id]
    assert sorted(parents) == ["outer"] * 4 + ["submitting"] * 3 + ["submitting_in_turn"] * 3
    assert len({each.parent_id for each in found_in(trace, "plus")}) == 3
    assert {each.parent_id for each in found_in(trace, "submitting")} == {outer.span_id}


def test_each_attempt_is_a_bar_that_needs_the_one_before(client, tmp_path):
    with kv.record(capture="dask", label=lambda folder, times: f"{times} times") as trace:
        assert client.submit(fail_at_first, tmp_path, 2, retries=3).result() == 2
    trace.validate()
    one, two, three = trace.spans
    assert [each.status for each in trace] == ["error", "error", "ok"]
    assert [each.error for each in trace] == ["ValueError(0)", "ValueError(1)", None]
    assert [each.attributes.get("attempt") for each in trace] == [None, 2, 3]
    assert [each.links for each in trace] == [(), (one.span_id,), (two.span_id,)]
    assert one.ended_ns <= two.submitted_ns <= two.started_ns
    assert labels_of(trace) == ["2 times"] * 3
    assert three.parent_id is None


def test_a_task_that_is_retried_by_the_client_is_another_attempt(client, tmp_path):
    with kv.record(capture="dask") as trace:
        future = client.submit(fail_at_first, tmp_path, 1)
        distributed.wait(future)
        future.retry()
        assert future.result() == 1
    assert [(each.status, each.attributes.get("attempt")) for each in trace] == [("error", None), ("ok", 2)]


def test_what_still_runs_when_the_block_ends_is_a_bar_until_then(client, tmp_path):
    with kv.record(capture="dask") as trace:
        with kv.span("outer") as outer:
            running = client.submit(say_and_wait, tmp_path)
            until(tmp_path / "runs")
        waiting = client.submit(plus, running, 1)
        assert client.submit(plus, 7, 2).result() == 9
    (tmp_path / "go").touch()
    with pytest.raises(TypeError):
        waiting.result()
    trace.validate()
    (found,) = found_in(trace, "say_and_wait")
    assert (found.status, found.parent_id) == ("abandoned", None)
    assert found.lane.startswith("dask-")
    assert found.ended_ns >= max(each.ended_ns for each in trace)
    assert found.submitted_ns >= outer._started_ns
    assert len(trace) == 3


def test_a_task_that_is_cancelled_while_it_runs_is_a_bar(cluster, client, tmp_path):
    with kv.record(capture="dask") as trace:
        running = client.submit(say_and_wait, tmp_path)
        until(tmp_path / "runs")
        running.cancel()
        while running.key in cluster.scheduler.tasks:
            os.sched_yield()
        (tmp_path / "go").touch()
        others = client.map(plus, range(4), two=1)  # which need the thread of the first
        client.gather(others)
    trace.validate()
    (found,) = found_in(trace, "say_and_wait")
    assert found.status == "cancelled"


def test_each_task_is_recorded_once_however_many_clients_there_are(cluster):
    with kv.record(capture="dask") as trace, distributed.Client(cluster) as one:
        with distributed.Client(cluster, set_as_default=False) as two:
            assert two.submit(plus, 1, 1).result() == 2
            assert one.submit(plus, 2, 2).result() == 4
        assert one.submit(plus, 3, 3).result() == 6
    assert len(found_in(trace, "plus")) == 3


def test_workers_of_two_clusters_are_workers_of_their_own(clusters):
    with kv.record(capture="dask") as trace:
        for each in (clusters["threads"], clusters["processes"], clusters["threads"]):
            with distributed.Client(each) as client:
                client.gather(client.map(plus, range(4), two=1, pure=False))
    threads, processes, again = ({each.lane for each in trace.spans[at : at + 4]} for at in (0, 4, 8))
    assert not threads & processes
    assert threads | again <= {"dask-1/thread-1", "dask-2/thread-1", "dask-3/thread-1", "dask-4/thread-1"} - processes


def test_tasks_of_other_programs_are_not_recorded(in_threads, clusters):
    with distributed.Client(clusters["threads"], set_as_default=False) as other:
        with kv.record(capture="dask") as trace:
            assert in_threads.submit(plus, 4, 4).result() == 8
            hooked = distributed.Client._graph_to_futures
            distributed.Client._graph_to_futures = hooked.__wrapped__  # as in another program
            try:
                assert other.submit(plus, 5, 5).result() == 10
            finally:
                distributed.Client._graph_to_futures = hooked
    assert len(trace) == 1


def test_an_error_of_handing_over_has_no_frame_of_ours(in_threads):
    def seen():
        with pytest.raises(TypeError, match="Could not serialize") as caught:
            in_threads.submit(plus, threading.Lock(), 1)
        return [(frame.filename, frame.name) for frame in traceback.extract_tb(caught.tb)]

    plain = seen()
    with kv.record(capture="dask"):
        assert seen() == plain


def plugins_of(cluster, client):
    scheduler = cluster.scheduler
    on_workers = client.run(lambda dask_worker: sorted(dask_worker.plugins))
    ours = [name for name in scheduler._broker._topics if name.startswith("kaygraph")]
    return dict(scheduler.plugins), dict(scheduler.worker_plugins), dict(scheduler.stream_handlers), on_workers, ours


def test_the_cluster_and_the_client_are_as_they_were(cluster, client):
    methods = "_graph_to_futures", "close", "shutdown"
    before = plugins_of(cluster, client), [vars(distributed.Client)[name] for name in methods]
    with kv.record(capture="dask", label="arguments"):
        assert total().compute(scheduler=client) == 6
        assert plugins_of(cluster, client) != before[0]
    assert (plugins_of(cluster, client), [vars(distributed.Client)[name] for name in methods]) == before


def test_two_recordings_at_once_leave_the_cluster_as_it_was(cluster, client):
    before = plugins_of(cluster, client)
    begun, ended = threading.Barrier(2), threading.Barrier(2)
    trace_of = {}

    def one(number, ends_first):
        with kv.record(capture="dask") as trace:
            client.submit(plus, number, 1, pure=False).result()
            begun.wait()
            if not ends_first:
                ended.wait()
            trace_of[number] = trace
        if ends_first:
            ended.wait()

    threads = [threading.Thread(target=one, args=(number, number == 0)) for number in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [len(trace_of[number]) for number in range(2)] == [1, 1]
    assert plugins_of(cluster, client) == before


def test_a_recording_keeps_no_client_alive(clusters):
    client = distributed.Client(clusters["threads"], set_as_default=False)
    with kv.record(capture="dask"):
        assert client.submit(plus, 6, 6).result() == 12
        client.close()
        gone = weakref.ref(client)
        del client
        gc.collect()
        assert gone() is None


def test_a_cluster_that_ends_before_the_recording_is_recorded():
    with kv.record(capture="dask") as trace:
        cluster = distributed.LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=":0")
        client = distributed.Client(cluster)
        assert client.submit(plus, 1, 2).result() == 3
        cluster.close()
    client.close()
    assert [each.name for each in trace] == ["plus"]


def test_what_runs_when_its_cluster_ends_is_a_bar_until_then(tmp_path):
    with kv.record(capture="dask") as trace:
        cluster = distributed.LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=":0")
        client = distributed.Client(cluster)
        future = client.submit(say_and_wait, tmp_path)
        until(tmp_path / "runs")
        ender = threading.Thread(target=let_go_at_end, args=(cluster, tmp_path / "go"))
        ender.start()
        cluster.close()
        ender.join()
    client.close()
    assert future.status != "finished"
    assert [(each.name, each.status) for each in trace] == [("say_and_wait", "abandoned")]


def test_a_client_that_ends_its_cluster_is_recorded_before():
    with kv.record(capture="dask") as trace:
        client = distributed.Client(processes=False, n_workers=1, dashboard_address=":0")
        assert client.submit(plus, 1, 2).result() == 3
        client.shutdown()
    assert [each.name for each in trace] == ["plus"]


def test_a_scheduler_without_this_package_tells_less(in_threads, monkeypatch):
    def install(*_, **__):
        raise ModuleNotFoundError("No module named 'kaygraph_viz'")

    monkeypatch.setattr(reporter_module, "install", install)
    with pytest.warns(UserWarning, match="install kaygraph-viz there") as warned:
        with kv.record(capture="dask", label="arguments") as trace:
            assert total().compute(scheduler=in_threads) == 6
            assert total().compute(scheduler=in_threads) == 6
    assert len(warned) == 1
    assert (len(found_in(trace, "load")), len(found_in(trace, "add"))) == (8, 2)
    assert not any(each.links for each in trace)


def test_a_label_that_cannot_be_pickled_says_so_once(client):
    lock = threading.Lock()
    with pytest.warns(UserWarning, match="cannot be pickled") as warned:
        with kv.record(capture="dask", label=lambda number: f"{lock} {number}") as trace:
            assert client.submit(plus, 1, 2).result() == 3
            assert client.submit(plus, 2, 2).result() == 4
    assert len(warned) == 1
    assert labels_of(trace) == [None, None]


class NotLoadable:
    def __reduce__(self):
        return NotLoadable, (1,)

    def __call__(self, *_): ...


def test_a_label_that_workers_cannot_load_says_so_and_leaves_nothing(cluster, client):
    before = plugins_of(cluster, client)
    with pytest.warns(UserWarning, match="cannot be loaded by the workers"):
        with kv.record(capture="dask", label=NotLoadable()) as trace:
            assert client.submit(plus, 1, 2).result() == 3
    assert labels_of(trace) == [None]
    assert plugins_of(cluster, client) == before


def test_what_cannot_be_recorded_says_so_once(in_threads):
    with pytest.warns(UserWarning, match="simulated time") as warned, kv.record(clock="virtual", capture="dask"):
        assert in_threads.submit(plus, 1, 2).result() == 3
        assert in_threads.submit(plus, 1, 3).result() == 4
    assert len(warned) == 1


def test_a_task_whose_worker_dies_is_lost(clusters):
    cluster = clusters["processes"]
    cluster.scheduler.allowed_failures = 0
    with distributed.Client(cluster) as client, kv.record(capture="dask") as trace:
        first = client.submit(plus, 1, 2)
        with pytest.raises(distributed.scheduler.KilledWorker):
            client.submit(end_worker, first).result()
    done, (lost,) = trace.spans[0], found_in(trace, "end_worker")
    assert (lost.status, lost.lane, lost.links) == ("lost", "lost", (done.span_id,))
    assert "the worker at tcp://" in lost.error


def test_a_task_that_is_run_again_since_its_worker_died_has_two_bars(clusters, tmp_path):
    cluster = clusters["processes"]
    cluster.scheduler.allowed_failures = 3
    with distributed.Client(cluster) as client, kv.record(capture="dask") as trace:
        client.wait_for_workers(2)
        assert client.submit(end_worker_at_first, tmp_path).result() == 1
    trace.validate()
    lost, again = trace.spans
    assert (lost.status, again.status, again.links) == ("lost", "ok", (lost.span_id,))
    assert again.attributes["attempt"] == 2
