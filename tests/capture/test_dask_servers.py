"""Asynchronous clients of Dask, in real clusters: of threads, in the loop of the client, and of processes."""

from __future__ import annotations

import asyncio
import inspect
import os

import pytest

import kaygraph_viz as kv
from kaygraph_viz.capture.dask import reporter

dask = pytest.importorskip("dask")
from tests.capture.dask_calls import add, fail, load  # noqa: E402

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.processes, pytest.mark.leaves_threads]

CLUSTER = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}


def plus(one, two):
    return one + two


def submitting(number):
    with distributed.worker_client() as client:
        return client.submit(plus, number, 1).result()


@pytest.fixture(scope="module")
def addresses():
    """Return the address of a cluster of processes whose scheduler is a process of its own, and one of threads here."""
    with (
        distributed.SubprocessCluster(**CLUSTER) as apart,
        distributed.LocalCluster(processes=False, **CLUSTER) as threads,
    ):
        yield {"apart": apart.scheduler_address, "threads": threads.scheduler_address}


@pytest.fixture(params=["apart", "threads", "same loop"])
def clients(request, addresses):
    """Return what makes an asynchronous client in a running loop."""
    if request.param == "same loop":
        return lambda: distributed.Client(asynchronous=True, processes=False, **CLUSTER)
    return lambda: distributed.Client(addresses[request.param], asynchronous=True)


def test_tasks_have_parents_links_labels_and_submit_times(clients):
    async def main(is_recorded):
        async with clients() as client:
            if not is_recorded:
                return await program(client)
            with kv.record(capture="dask", label="arguments") as trace:
                result = await program(client)
            return result, trace

    async def program(client):
        with kv.span("outer"):
            total = client.compute(add([load(number) for number in range(3)]))
            futures = client.map(plus, range(2), two=total)
            return await client.gather(futures), await client.submit(submitting, 1)

    plain = asyncio.run(main(is_recorded=False))
    recorded, trace = asyncio.run(main(is_recorded=True))
    trace.validate()
    assert recorded == plain == ([3, 4], 2)
    assert sorted(each.name for each in trace) == sorted(["outer", *["load"] * 3, "add", *["plus"] * 3, "submitting"])
    spans = {each.span_id: each for each in trace}
    outer, total = trace.where(name="outer")[0], trace.where(name="add")[0]
    inner = [each for each in trace.where(name="plus") if not each.links]
    assert [spans[each.parent_id].name for each in inner] == ["submitting"]
    assert {each.parent_id for each in trace if each not in (outer, *inner)} == {outer.span_id}
    assert {each.links for each in trace.where(name="plus") if each.links} == {(total.span_id,)}
    assert sorted(each.attributes["label"] for each in trace.where(name="load")) == ["0", "1", "2"]


def test_only_what_descends_from_the_block_is_recorded(clients):
    async def main():
        async with clients() as client:
            is_recorded, is_over = asyncio.Event(), asyncio.Event()

            async def other():
                await is_recorded.wait()
                assert await client.submit(plus, 10, 10) == 20
                is_over.set()

            task = asyncio.create_task(other())
            with kv.record(capture="dask") as trace:
                is_recorded.set()
                assert await asyncio.create_task(inside(client)) == 4
                await is_over.wait()
            await task
            return trace

    async def inside(client):
        return await client.submit(plus, 2, 2)

    trace = asyncio.run(main())
    assert [each.attributes["key"].partition("-")[0] for each in trace] == ["plus"]
    assert len(trace) == 1


def test_a_client_of_the_block_is_read_before_it_is_closed(clients):
    async def by_block():
        async with clients() as client:
            return await client.submit(plus, 1, 2)

    async def by_call():
        client = await clients()
        try:
            return await client.submit(plus, 1, 2)
        finally:
            await client.close()

    for each in (by_block, by_call):
        with kv.record(capture="dask") as trace:
            assert asyncio.run(each()) == 3
        assert [span.name for span in trace] == ["plus"]


def test_with_everything_captured_the_client_has_no_bars_of_its_own(clients):
    async def main():
        async with clients() as client:
            return await asyncio.gather(asking(client, 1), asking(client, 2))

    async def asking(client, number):
        return await client.submit(plus, number, 1)

    with kv.record(capture="all") as trace:
        assert asyncio.run(main()) == [2, 3]
    trace.validate()
    branches = trace.where(kind="branch")  # on a busy machine a loop may be blocked, too
    names = {each.span_id: each.name.rpartition(".")[2] for each in branches}
    assert sorted(names.values()) == ["asking", "asking", "main", "plus", "plus"]
    assert [names[each.parent_id] for each in trace.where(name="plus")] == ["asking"] * 2


def test_what_runs_when_the_block_ends_is_a_bar_until_then(clients, tmp_path):
    async def main():
        async with clients() as client:
            with kv.record(capture="dask") as trace:
                future = client.submit(say_and_wait, tmp_path)
                await asyncio.to_thread(until, tmp_path / "runs")
            (tmp_path / "go").touch()
            await future
            return trace

    trace = asyncio.run(main())
    assert [(each.name, each.status) for each in trace] == [("say_and_wait", "abandoned")]


def say_and_wait(folder):
    """Tell that this runs, and wait until the test lets it end."""
    (folder / "runs").touch()
    until(folder / "go")


def until(there):
    while not there.exists():
        os.sched_yield()


def test_an_error_is_the_same_and_has_a_bar(clients):
    async def main():
        async with clients() as client:
            return await client.compute(fail(7))

    for capture in ((), "dask"):
        with kv.record(capture=capture) as trace, pytest.raises(ValueError, match="7"):
            asyncio.run(main())
    assert [(each.name, each.status, each.error) for each in trace] == [("fail", "error", "ValueError(7)")]


def test_a_scheduler_without_this_package_says_so_once(addresses, monkeypatch):
    async def main():
        async with distributed.Client(addresses["threads"], asynchronous=True) as client:
            return [await client.submit(plus, number, 2) for number in range(2)]

    def install(*_, **__):
        raise ModuleNotFoundError("No module named 'kaygraph_viz'")

    monkeypatch.setattr(reporter, "install", install)
    with pytest.warns(UserWarning, match="asynchronous client") as warned, kv.record(capture="dask") as trace:
        assert asyncio.run(main()) == [2, 3]
    assert (len(warned), len(trace)) == (1, 0)


def test_methods_of_the_client_are_coroutines_as_before():
    before = vars(distributed.Client)["_close"]
    with kv.record(capture="dask"):
        assert inspect.signature(distributed.Client._close) == inspect.signature(before)
    assert vars(distributed.Client)["_close"] is before
