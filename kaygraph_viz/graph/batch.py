"""Nodes that run the same operation on many items, one after the other or at once; plain ones, and asynchronous ones.

Belongs here: items in, results out. Does not belong here: different operations (``fan_out``), workers (``execute``).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Sized
from numbers import Real
from operator import attrgetter
from typing import Any, ClassVar, Self

from kaygraph_viz.base.checks import MAX_WORKERS, checked_seconds, checked_whole, checked_word, checked_workers
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.call import MAX_WINDOW, ON_ERROR, MemoryBudget, OnError, all_of, count_of
from kaygraph_viz.execute.cancel import CancelToken, interruptible
from kaygraph_viz.execute.coroutines.executor import MAX_SLOTS, AsyncExecutor
from kaygraph_viz.execute.outcome import Outcome, Outcomes
from kaygraph_viz.execute.progress import Progress, checked_progress, counter, is_shown, tracked
from kaygraph_viz.execute.registry import executor_class, get_executor
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.execute.schedules import Schedule, checked_schedule, imap_in_chunks, imap_in_order
from kaygraph_viz.graph.async_node import AsyncNode
from kaygraph_viz.graph.node import Node, Shared
from kaygraph_viz.trace.recorder import span

by_index = attrgetter("index")


class BranchingNode(Node):
    """The base of nodes with branches: their options, and running the branches; use one of its subclasses.

    Parameters
    ----------
    max_workers, executor, max_retries, wait, on_error, timeout, deadline, progress, retry, memory, node_id
        As for `ParallelBatchNode`, whose branches are items.
    """

    _is_parallel = True
    worker_limit: ClassVar[int] = MAX_WORKERS

    def __init__(
        self,
        max_workers: int | None = None,
        executor: str | Executor = "thread",
        *,
        max_retries: int = 1,
        wait: float = 0,
        on_error: OnError = "raise",
        timeout: float | None = None,
        deadline: float | None = None,
        progress: Progress = None,
        retry: RetryPolicy | None = None,
        memory: MemoryBudget | None = None,
        node_id: str | None = None,
    ) -> None:
        super().__init__(max_retries, wait, node_id)
        checked_workers(max_workers, "max_workers", limit=self.worker_limit)
        if not isinstance(executor, Executor):
            executor_class(executor)  # loads its module now, not in a run that is being recorded
        checked_word("on_error", on_error, ON_ERROR)
        if retry is not None and (not isinstance(retry, RetryPolicy) or max_retries != 1 or wait != 0):
            raise OptionError(
                "retry", retry, "a RetryPolicy, and then no max_retries and no wait", "retry=RetryPolicy(attempts=3)"
            )
        self.max_workers = max_workers
        self.executor = executor
        self.on_error_policy: OnError = on_error
        self.timeout = None if timeout is None else checked_seconds("timeout", timeout, "timeout=2.5", above=True)
        self.deadline = None if deadline is None else checked_seconds("deadline", deadline, "deadline=10", above=True)
        self.progress = checked_progress(progress)
        self.retry = retry
        self.memory = memory

    def _retry_policy(self) -> RetryPolicy:
        return self.retry or super()._retry_policy()

    def _imap_options(self) -> dict[str, Any]:
        return {
            "ordered": False,
            "timeout": self.timeout,
            "deadline": self.deadline,
            "retry": self._retry_policy(),
            "on_error": self.on_error_policy,
            "memory": self.memory,
            "owner": self.node_id,
        }

    def _branches(self, items: Iterable[Any], **options: Any) -> list[Outcome]:
        """Run the branches over `items` and return their outcomes in order."""
        total = count_of(items)
        with self._running(items, total, self._imap_options() | options) as outcomes:
            return sorted(tracked(outcomes, self.progress, total, self.node_id), key=by_index)

    def _first_branch(self, items: Sequence[Any], **options: Any) -> Outcome:
        """Run the branches over `items`, return the outcome of the first that succeeds, and cancel the others."""
        token = CancelToken()
        # "collect", since an error ends nothing as long as another branch may succeed
        options = self._imap_options() | options | {"on_error": "collect", "cancel": token}
        failed: list[Exception] = []
        with self._running(items, len(items), options) as outcomes:
            for outcome in outcomes:
                if outcome.ok:
                    token.cancel()
                    return outcome
                if isinstance(outcome.error, Exception):
                    failed.append(outcome.error)
        raise ExceptionGroup(f"all {len(items)} branches of {self.node_id!r} failed", failed)

    @contextmanager
    def _running(
        self, items: Iterable[Any], total: int | None, options: Mapping[str, Any]
    ) -> Iterator[Generator[Outcome, None, None]]:
        with span("exec", kind="phase") as phase, self._opened() as executor:
            workers = executor.workers if total is None else min(executor.workers, total)
            phase.set(executor=executor.kind, workers=workers)  # a worker that ran no branch leaves no other trace
            with interruptible(self._imap(executor, items, options)) as outcomes:
                yield outcomes

    @contextmanager
    def _opened(self) -> Iterator[Executor]:
        """Yield the executor of the branches; one that was passed in stays open."""
        if isinstance(self.executor, Executor):
            yield self.executor
        else:
            with get_executor(self.executor, self.max_workers) as executor:
                yield executor

    def _exec_result(self, outcomes: Iterable[Outcome]) -> Any:
        """Return what `post` gets."""
        if self.on_error_policy == "collect":
            return Outcomes(outcomes)
        return [outcome.value for outcome in outcomes]

    def _imap(
        self, executor: Executor, items: Iterable[Any], options: Mapping[str, Any]
    ) -> Generator[Outcome, None, None]:
        return executor.imap(items=items, **options)

    @property
    def _crosses_processes(self) -> bool:
        """Whether branches run in other processes, so that what they need has to be pickled."""
        executor = self.executor if isinstance(self.executor, Executor) else executor_class(self.executor)
        return executor.capabilities.needs_pickling

    def _picklable(self) -> Self:
        """Return this node, or where branches are pickled a copy without what cannot be pickled and no branch needs."""
        if not self._crosses_processes:
            return self
        alone = copy.copy(self)
        alone.successors, alone.executor, alone.progress, alone._context = {}, "serial", None, {}
        return alone


class ParallelBatchNode(BranchingNode):
    """Run `exec` on every item that `prep` returns, several at once.

    Parameters
    ----------
    max_workers
        The number of items in progress at once at most, 1 to 4096; default: that of the kind of executor, see
        `get_executor`, in simulated time 4.
    executor
        ``"serial"``, ``"thread"``, ``"process"``, ``"async"``, ``"dask"``, or an executor from `get_executor`, which
        then stays open.
    max_retries, wait
        The number of attempts of each item at most, 1 or more, and the time between them [s].
    on_error
        ``"raise"``: the first error ends the node, and `post` gets the list of values.
        ``"collect"``: every item is run, and `post` gets `Outcomes`, with ``.values`` and ``.failed``.
    timeout
        The time limit of each item with all its attempts, above 0 [s]; default: none.
    deadline
        The time limit of all items together, above 0 [s]; default: none.
    progress
        True for a bar, False for none, None for one where the output is a terminal and the run takes over a second;
        or a function that is called with the number of finished items and the total; in a `ProgressCallback` it gets
        the throughput and the time left.
    retry
        A `RetryPolicy` in place of `max_retries` and `wait`, which must then keep their defaults.
    memory
        A `MemoryBudget` that narrows the look-ahead while memory is short.
    window
        The number of items pulled ahead of the workers at most; default: as for `Executor.imap`.
    schedule
        Which worker gets which item. ``"dynamic"``: a worker that is free pulls the next one. ``"static"``: one chunk
        of neighbours for each worker, cut before anything runs. ``"longest-first"``: as dynamic, but the most costly
        items come first. The last two need items with a length, such as a list.
    cost
        The time that an item is expected to take, in any unit: a function of the item, in place of the method `cost`.
    node_id
        Its name in charts and diagrams; default: the name of its class.

    Raises
    ------
    OptionError
        If an option is out of its range, or the schedule is ``"longest-first"`` and there is no cost.

    Notes
    -----
    With P workers, dynamic takes at most 2 - 1/P times as long as the best schedule there is, and longest-first at most
    4/3 - 1/(3 P) times, if the costs are right (Graham 1969, "Bounds on multiprocessing timing anomalies"). Static
    chunks can take P times as long, but each worker is given its work only once: a chunk, whose outcomes come together.
    With them, a worker process that dies takes its chunk with it, and a timeout kills no single item.

    Examples
    --------
    >>> class Squares(ParallelBatchNode):
    ...     def prep(self, shared):
    ...         return shared["numbers"]
    ...
    ...     def exec(self, number):
    ...         return number**2
    ...
    ...     def post(self, shared, numbers, squares):
    ...         shared["squares"] = squares
    >>> shared = {"numbers": [1, 2, 3]}
    >>> Squares(max_workers=2).run(shared)
    >>> shared["squares"]
    [1, 4, 9]
    """

    def __init__(
        self,
        max_workers: int | None = None,
        executor: str | Executor = "thread",
        *,
        window: int | None = None,
        schedule: Schedule = "dynamic",
        cost: Callable[[Any], float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(max_workers, executor, **options)
        self.window = None if window is None else checked_whole("window", window, 0, MAX_WINDOW, "window=8")
        self.schedule = checked_schedule(schedule)
        if cost is not None:
            self.cost = cost  # type: ignore[assignment]  # as users do with exec and post
        if not callable(self.cost) or (schedule == "longest-first" and not self._has_own("cost")):
            raise OptionError(
                "cost", cost, 'a function of an item, or a method of the node, for schedule="longest-first"', "cost=len"
            )

    def cost(self, item: Any) -> float:
        """Return the time that an item is expected to take, in any unit; override it, or pass a function as `cost`."""
        raise NotImplementedError

    def branch_name(self, item: Any) -> str:
        """Return the name of the branch of `item` in charts and diagrams; by default that of the node."""
        return self.node_id

    def _exec_phase(self, shared: Shared, prep_res: Any) -> Any:
        node = self._picklable()
        outcomes = self._branches(
            self._items(prep_res),
            fn=node._exec_once,
            name=self.node_id,
            label=node.branch_name if self._has_own("branch_name") else None,
            fallback=node.exec_fallback,
            window=self.window,
        )
        return self._exec_result(outcomes)

    def _has_own(self, method: str) -> bool:
        """Return whether a method was overridden, or assigned to the node."""
        return method in vars(self) or getattr(type(self), method) is not getattr(ParallelBatchNode, method)

    def _items(self, prep_res: Any) -> Iterable[Any]:
        items: Iterable[Any] = () if prep_res is None else prep_res
        if self.schedule == "dynamic" or not isinstance(items, Iterable):  # the latter is for the executor to refuse
            return items
        if not isinstance(items, Sized):
            needed = f"something with a length, as a list has, for schedule={self.schedule!r}"
            raise OptionError(f"what prep of {self.node_id!r} returns", items, needed)
        return all_of(items, f"the input of {self.node_id!r}")

    def _imap(
        self, executor: Executor, items: Iterable[Any], options: Mapping[str, Any]
    ) -> Generator[Outcome, None, None]:
        if self.schedule == "dynamic" or not isinstance(items, list):
            return super()._imap(executor, items, options)
        if self.schedule == "static":
            return imap_in_chunks(executor, items=items, **options)
        costs: list[Any] = []
        for position, item in enumerate(items):
            cost: Any = self._call(f"cost of item {position}", self.cost, item)
            if not isinstance(cost, Real) or not math.isfinite(cost):
                raise OptionError(f"the cost of item {position} of {self.node_id!r}", cost, "a finite number")
            costs.append(cost)
        order = sorted(range(len(items)), key=costs.__getitem__, reverse=True)  # equals stay in the order of the input
        return imap_in_order(executor, items=items, order=order, **options)


class BatchNode(ParallelBatchNode):
    """Run `exec` on every item that `prep` returns, one after the other.

    Change the base class to `ParallelBatchNode` to run them at once; nothing else changes.

    Parameters
    ----------
    max_retries, wait, **options
        As for `ParallelBatchNode`, without `max_workers` and `executor`.

    Examples
    --------
    >>> lengths = BatchNode()
    >>> lengths.prep, lengths.exec = lambda shared: shared["words"], len
    >>> lengths.post = lambda shared, words, found: shared.update(lengths=found)
    >>> lengths.run(shared := {"words": ["to", "be"]})
    >>> shared["lengths"]
    [2, 2]
    """

    _is_parallel = False

    def __init__(self, max_retries: int = 1, wait: float = 0, **options: Any) -> None:
        super().__init__(1, "serial", max_retries=max_retries, wait=wait, **options)


class AsyncBranching(BranchingNode):
    """The base of nodes and graphs that run branches as coroutines of the running loop; use one of these."""

    worker_limit: ClassVar[int] = MAX_SLOTS

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        checked_workers(max_workers, "max_workers", limit=MAX_SLOTS)
        super().__init__(max_workers, "async", **options)

    async def branches_async(
        self, items: Iterable[Any], fn: Callable[[Any], Any], fallback: Callable[[Any, Exception], Any] | None = None
    ) -> list[Outcome]:
        """Run the branches over `items` and return their outcomes in order."""
        executor = AsyncExecutor(self.max_workers)
        total = count_of(items)
        outcomes: list[Outcome] = []
        facts = {"executor": "async", "workers": executor.slots(total)}
        with span("exec", kind="phase", **facts), counter(self.progress, total, self.node_id) as count:

            def take(outcome: Outcome) -> None:
                outcomes.append(outcome)
                count(outcome.ok)

            options = self._imap_options()
            reader = take if is_shown(self.progress) else outcomes.append
            await executor.gather(fn, items, reader, name=self.node_id, fallback=fallback, **options)
        return sorted(outcomes, key=by_index)


class AsyncParallelBatchNode(AsyncNode, AsyncBranching):
    """Run `exec_async` on every item that `prep_async` returns, many at once in one loop.

    Parameters
    ----------
    max_workers
        The number of items in progress at once at most, 1 to 1,000,000; default: 100.
    **options
        ``max_retries wait on_error timeout deadline progress retry memory node_id`` as for `ParallelBatchNode`.

    Examples
    --------
    >>> import asyncio
    >>> class Squares(AsyncParallelBatchNode):
    ...     async def prep_async(self, shared):
    ...         return shared["numbers"]
    ...
    ...     async def exec_async(self, number):
    ...         await asyncio.sleep(0)
    ...         return number**2
    ...
    ...     async def post_async(self, shared, numbers, squares):
    ...         shared["squares"] = squares
    >>> shared = {"numbers": [1, 2, 3]}
    >>> asyncio.run(Squares(max_workers=2).run_async(shared))
    >>> shared["squares"]
    [1, 4, 9]
    """

    def __init__(self, max_workers: int | None = None, **options: Any) -> None:
        AsyncBranching.__init__(self, max_workers, **options)

    async def _exec_phase_async(self, shared: Shared, prep_res: Any) -> Any:
        items = () if prep_res is None else prep_res
        return self._exec_result(await self.branches_async(items, self._exec_once_async, self.exec_fallback_async))


class AsyncBatchNode(AsyncParallelBatchNode):
    """Run `exec_async` on every item that `prep_async` returns, one after the other.

    Parameters
    ----------
    max_retries, wait, **options
        As for `AsyncParallelBatchNode`, without `max_workers`.
    """

    _is_parallel = False

    def __init__(self, max_retries: int = 1, wait: float = 0, **options: Any) -> None:
        super().__init__(1, max_retries=max_retries, wait=wait, **options)
