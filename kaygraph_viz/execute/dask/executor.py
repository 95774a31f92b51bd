"""Dask workers: branches on a cluster of processes, on this machine or on many.

Belongs here: the executor. Does not belong here: one call (``call``), what runs on a worker (``worker``).
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any, ClassVar

from kaygraph_viz._optional import require
from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.core.base import Capabilities, Executor, in_order
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import Request
from kaygraph_viz.execute.core.worker_pool import run_pool
from kaygraph_viz.execute.dask.call import DaskCall
from kaygraph_viz.execute.dask.cluster import Link, connected, local_cluster, threads_of
from kaygraph_viz.execute.local.simulated import simulated_pool
from kaygraph_viz.installed import SIMULATE, require_installed

__all__ = ["DaskExecutor"]


class DaskExecutor(Executor):
    """Runs branches on the workers of a Dask cluster."""

    kind: ClassVar[str] = "dask"
    items_ahead: ClassVar[int] = 64
    capabilities: ClassVar[Capabilities] = Capabilities(
        runs_in_parallel=True, can_kill=False, shares_memory=False, needs_pickling=True
    )

    def __init__(self, max_workers: int | None = None, client: Any = None) -> None:
        super().__init__(max_workers)
        self._threads: int | None = None
        if client is not None:
            distributed = require("distributed")
            if not isinstance(client, distributed.Client) or client.asynchronous:
                what = "a distributed.Client with asynchronous=False"
                raise OptionError("client", client, what, "client=Client(address)")
            self._threads = threads_of(client)
        if not current_clock().simulates(self.kind):  # simulated workers need no cluster
            require_installed("workers of the kind 'dask' in real time", SIMULATE)
            require("distributed")
        self._client = client
        self._link: Link | None = None

    def _default_workers(self) -> int:
        if self._threads is None or current_clock().simulates(self.kind):
            return super()._default_workers()
        return self._threads

    @property
    def client(self) -> Any:
        """The client in use: the one that was given, or that of our own cluster, which is started if need be."""
        return self._connected().client

    def _connected(self) -> Link:
        if self._link is None:
            self._link = connected(partial(self._connect, self.workers))
        return self._link

    def _connect(self, workers: int) -> Link:
        if self._client is not None:
            return Link(self._client, workers)
        cluster = local_cluster(workers)
        return Link(require("distributed").Client(cluster, set_as_default=False), workers, cluster)

    def _run(self, request: Request) -> Generator[Outcome, None, None]:
        pool = simulated_pool(self.kind)
        if pool is not None:
            return run_pool(partial(pool, request, self.workers, self))
        return self._run_on_cluster(request)

    def _run_on_cluster(self, request: Request) -> Generator[Outcome, None, None]:
        call = DaskCall(request, self._connected())
        outcomes = call.outcomes()
        try:
            for outcome in in_order(outcomes) if request.ordered else outcomes:
                call.count_delivery()
                yield outcome
        except BaseException as error:
            if not isinstance(error, GeneratorExit):
                call.give_up_all()  # an interrupt, a cancelled call, a lost scheduler: control goes back at once
            raise
        finally:
            call.stop()

    def close(self) -> None:
        """Release the cluster if it is our own; a client that was given stays open."""
        super().close()
        if self._link is not None:
            self._link.close()
            self._link = None
