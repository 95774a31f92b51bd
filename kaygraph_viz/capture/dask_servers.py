"""Calling functions on the scheduler and the workers of a Dask client, at once, also from within its loop.

Belongs here: how such a call gets there. Does not belong here: what is called (``dask_reporter``, ``dask_workers``).

A client that is asynchronous would have to be awaited. So what is in this process is called directly, and the others
are asked by a thread with a loop of its own, which is over when the answers are there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any

from kaygraph_viz.real_threads import Thread

__all__ = ["on_scheduler", "on_workers"]

LONGEST_S = 30.0  # that an answer takes: what is called may have to be loaded first


def on_scheduler(client: Any, function: Callable[..., Any], *args: Any) -> Any:
    """Call ``function(*args, dask_scheduler=...)`` on the scheduler, and return its result, or raise its error."""
    if not client.asynchronous:
        return client.run_on_scheduler(function, *args)
    from distributed.scheduler import Scheduler

    address = client.scheduler.address
    here = _found(Scheduler._instances, address)
    if here is not None:
        return function(*args, dask_scheduler=here)
    return _in_thread(lambda: _call(client, address, "run_function", function, args))


def on_workers(
    client: Any, workers: Collection[str], function: Callable[..., Any], *args: Any, within_s: float = LONGEST_S
) -> list[Any]:  # fmt: skip
    """Call ``function(*args, dask_worker=...)`` on workers with these addresses, and return the results."""
    if not workers:
        return []
    if not client.asynchronous:
        told = client.sync(client._run, function, *args, workers=list(workers), callback_timeout=within_s)
        return list(told.values())
    from distributed.worker import Worker

    here = {each: found for each in workers if (found := _found(Worker._instances, each)) is not None}
    results = [function(*args, dask_worker=each) for each in here.values()]
    others = [each for each in workers if each not in here]

    async def ask() -> list[Any]:
        return await asyncio.gather(*(_call(client, each, "run", function, args) for each in others))

    return results + (_in_thread(ask, within_s) if others else [])


def _found(servers: Iterable[Any], address: str) -> Any:
    """Return the server in this process that has an address; None if there is none."""
    return next((each for each in list(servers) if each.status.name == "running" and each.address == address), None)


async def _call(client: Any, address: str, operation: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    from distributed.core import clean_exception, rpc
    from distributed.protocol.pickle import dumps

    async with rpc(address, connection_args=client.connection_args) as server:
        answer = await getattr(server, operation)(function=dumps(function), args=dumps(args))
    if answer["status"] == "error":
        _, error, _ = clean_exception(**answer)
        raise error
    return answer["result"]


def _in_thread(make: Callable[[], Coroutine[Any, Any, Any]], within_s: float = LONGEST_S) -> Any:
    """Run a coroutine in a thread of its own, and return its result, or raise its error."""
    result: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            result.append(asyncio.run(_in_time(make, within_s)))
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=run, name="kaygraph_viz-dask", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return result[0]


async def _in_time(make: Callable[[], Coroutine[Any, Any, Any]], within_s: float) -> Any:
    return await asyncio.wait_for(make(), within_s)
