"""The connection to a Dask cluster: starting one, and asking workers for their names and clocks.

Belongs here: everything that is asked of `distributed` apart from running items. Does not belong here: items
(``executor``).
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from kaygraph_viz.base.errors import NodeError
from kaygraph_viz.base.optional import require
from kaygraph_viz.base.threads import REAL_THREADS, Lock, Thread
from kaygraph_viz.execute.dask import worker as dask_worker
from kaygraph_viz.execute.dask.worker import WorkerThread, introduce, now_ns
from kaygraph_viz.trace.offsets import NO_OFFSET, Offset, offset_from
from kaygraph_viz.trace.row import describe_error

PROBES = 24
PROBE_S = 1.0  # a worker that has just died would be waited for half a minute
SEND_EVERY_S = 0.001  # a client collects its messages for 10 ms, which a short look-ahead has to wait for each time
ASK_EVERY_S = 1.0  # whether the scheduler still answers
CLOSE_S = 5.0  # for all that is to be closed
CONNECT = "2s"  # where the scheduler is gone already, Dask would try for half a minute
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has one signal, which ends at once
FRESH_NS = 60_000_000_000  # clocks drift by some 10 us a second at worst


def local_cluster(workers: int) -> Any:
    """Return a cluster of `workers` processes on this machine, reachable from this machine only."""
    return _cluster_class()(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        worker_class=_nanny_class(),
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
        silence_logs=logging.CRITICAL + 1,
        preload=dask_worker.__name__,
        scheduler_kwargs={
            "allowed_failures": 0,  # what was running on a worker that died is not run again
            "dashboard": False,
            "dashboard_address": "127.0.0.1:0",  # else its port is 8787, open to the network
        },
    )


@cache
def _cluster_class() -> Any:
    """Return a cluster that leaves workers that have died to their nannies, which start them again."""
    base: Any = require("distributed").LocalCluster
    plain: Any = require("distributed.deploy.cluster").Cluster

    class Cluster(base):  # type: ignore[misc]  # as below
        def _update_worker_status(self, op: str, msg: Any) -> None:
            plain._update_worker_status(self, op, msg)

    return Cluster


@cache
def _nanny_class() -> Any:
    """Return a nanny whose workers do not import the caller's program, so that it needs no ``__main__`` guard."""
    base: Any = require("distributed").Nanny

    class Nanny(base):  # type: ignore[misc]  # distributed has no type information
        async def instantiate(self) -> Any:
            with _program_hidden:
                return await super().instantiate()

    return Nanny


class _ProgramHidden:
    """A block in which processes are started that do not import the caller's program."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._spec: Any = None

    def __enter__(self) -> None:
        main = sys.modules["__main__"]
        with self._lock:
            self._count += 1
            if self._count == 1:
                self._spec, main.__spec__ = main.__spec__, ModuleSpec("program.__main__", None)

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                sys.modules["__main__"].__spec__ = self._spec


_program_hidden = _ProgramHidden()


def threads_of(client: Any) -> int:
    """Return how many tasks the workers of a client can run at once, at least 1."""
    return max(1, int(sum(client.nthreads().values())))


def connected(connect: Callable[[], Link]) -> Link:
    """Return the link that `connect` makes, in a thread: Dask waits for seconds in which no interrupt is noticed."""
    future: Future[Link] = REAL_THREADS.Future()

    def fulfil() -> None:
        try:
            future.set_result(connect())
        except BaseException as error:
            future.set_exception(error)

    def close(done: Future[Link]) -> None:
        if done.exception() is None:
            done.result().close()

    try:
        Thread(target=fulfil, name="connecting", daemon=True).start()
        return future.result()
    except BaseException:  # an interrupt: what is about to be made has no owner any more
        future.add_done_callback(close)
        raise


class Link:
    """The connection to a cluster: a client, the clocks of its workers, and a folder for their journals."""

    def __init__(self, client: Any, threads: int, cluster: Any = None) -> None:
        self.client = client
        self.threads = threads
        self._cluster = cluster
        self._offsets: dict[str, tuple[int, Offset]] = {}
        self._question: Future[None] | None = None
        self._asked_s = 0.0
        self.address = str(client.scheduler.address) if client.scheduler is not None else "the scheduler"
        self._folder = tempfile.mkdtemp(prefix="kaygraph-viz-")
        self.has_journals = False
        if cluster is not None:
            self.client.scheduler_comm.interval = SEND_EVERY_S
        try:
            self.has_journals = self._meet()
        except BaseException:
            self.close()
            raise

    def _meet(self) -> bool:
        """Check that the workers have this package, and return whether all of them see our folder."""
        import socket

        try:
            met = self.client.run(introduce, self._folder)
        except (ImportError, AttributeError, TypeError) as error:
            raise NodeError(
                f"the Dask workers at {self.address} cannot load kaygraph_viz ({describe_error(error)}); "
                "install the same version there"
            ) from error
        return bool(met) and all(host == socket.gethostname() and seen for host, _, seen in met.values())

    @property
    def loop(self) -> Any:
        """The event loop of the client."""
        return self.client.loop.asyncio_loop

    def gather(self, future: Any) -> Any:
        """Return an awaitable of the result of a future, asked of its worker: the scheduler notices a dead one late."""
        return self.client.gather(future, asynchronous=True, direct=True if self.has_journals else None)

    def new_folder(self, call: str) -> str | None:
        """Return a folder for the journals of a call, or None where the workers could not write to it."""
        if not self.has_journals:
            return None
        folder = Path(self._folder, call)
        folder.mkdir()
        return str(folder)

    def offset(self, address: str) -> Offset:
        """Return how far the clock of a worker is ahead; asked when it is first needed, and again after a minute."""
        known = self._offsets.get(address)
        if known is not None and time.perf_counter_ns() - known[0] < FRESH_NS:
            return known[1]
        offset = self._probe(address)
        self._offsets[address] = (time.perf_counter_ns(), offset)
        return offset

    def _probe(self, address: str) -> Offset:
        probes: list[tuple[int, int, int]] = []
        try:
            while len(probes) < PROBES:
                before = time.perf_counter_ns()
                found = self.client.run(now_ns, workers=[address], callback_timeout=PROBE_S)
                probes.append((before, found[address], time.perf_counter_ns()))
        except Exception:  # it has died: what it left is of this machine, whose clock is ours
            if not probes:
                return NO_OFFSET
        return offset_from(probes, is_same_clock=self.has_journals)

    def kill(self, worker: WorkerThread | None) -> bool:
        """Kill a worker of our own cluster, with what it has started, and return True; its nanny starts another one."""
        if self._cluster is None or worker is None:
            return False
        with suppress(OSError):  # it has ended
            if os.name == "posix" and os.getpgid(worker.pid) == worker.pid:
                os.killpg(worker.pid, signal.SIGKILL)
            else:
                os.kill(worker.pid, KILL)
        return True

    def silent_s(self) -> float:
        """Return for how long the scheduler of a client that was given to us owes an answer [s]; it is asked now."""
        now_s = time.monotonic()
        if self._cluster is not None:  # ours is in this process
            return 0.0
        if self._question is None or (self._question.done() and now_s - self._asked_s > ASK_EVERY_S):
            self._question = asyncio.run_coroutine_threadsafe(self._ask(), self.loop)
            self._asked_s = now_s
        return 0.0 if self._question.done() else now_s - self._asked_s

    async def _ask(self) -> None:
        with suppress(Exception):  # a connection that has ended is told by the status of the client
            await self.client.scheduler.ncores()

    def close(self) -> None:
        """Close what is ours: the cluster and the folder, never a client that was given to us."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._cluster is not None:
            closing = Thread(target=self._close_cluster, name="closing", daemon=True)
            closing.start()
            closing.join(CLOSE_S)

    def _close_cluster(self) -> None:
        import dask

        with dask.config.set({"distributed.comm.timeouts.connect": CONNECT}):
            with suppress(Exception):  # the scheduler may be gone already
                self.client.close(timeout=CLOSE_S / 2)
            with suppress(Exception):
                self._cluster.close()
