"""Nodes that run the same operation on many items, one after the other or at once.

Belongs here: items in, results out. Does not belong here: different operations (``fan_out``), workers (``execute``).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager, nullcontext
from numbers import Real
from operator import attrgetter
from typing import Any, ClassVar, Self

from kaygraph_viz.checks import MAX_WORKERS, checked_seconds, checked_whole, checked_word, checked_workers
from kaygraph_viz.errors import OptionError, add_note_once
from kaygraph_viz.execute.cancel import CancelToken, interruptible
from kaygraph_viz.execute.core.base import Executor
from kaygraph_viz.execute.core.outcome import Outcome, Outcomes
from kaygraph_viz.execute.core.request import MAX_WINDOW, ON_ERROR, OnError
from kaygraph_viz.execute.core.schedules import Schedule, checked_schedule, imap_in_chunks, imap_in_order
from kaygraph_viz.execute.limits import (
    MemoryBudget,
    RetryPolicy,
)
from kaygraph_viz.execute.progress import Progress, checked_progress, tracked
from kaygraph_viz.execute.registry import executor_class, get_executor
from kaygraph_viz.graph.node import Node, Shared
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.structure import NodeView

__all__ = ["BatchNode", "BranchingNode", "ParallelBatchNode", "by_index"]

by_index = attrgetter("index")


class BranchingNode(Node):
    """What nodes with branches have in common: the options, and running the branches; use one of its subclasses.

    Parameters
    ----------
    max_workers
        How many branches may run at once, 1 to 4096; default: that of the kind of executor, see `get_executor`, in
        simulated time 4.
    executor
        ``"serial"``, ``"thread"``, ``"process"``, ``"async"``, ``"dask"``, or an executor from `get_executor`, which
        then stays open.
    max_retries, wait
        Attempts of each branch, 1 or more, and the time between them [s].
    on_error
        ``"raise"``: the first error ends the node. ``"collect"``: every branch is run, and `post` gets `Outcomes`.
    timeout
        The time each branch has with all its attempts [s]; None for as long as it takes.
    deadline
        The time that all branches together have [s]; None for as long as it takes.
    progress
        True for a bar, False for none, None for one where the output is a terminal and the work takes over a second;
        or a function that is called with the number of finished branches and the total.
    retry
        A `RetryPolicy` in place of `max_retries` and `wait`, which must then be left alone.
    memory
        A `MemoryBudget` that narrows the look-ahead while memory is short.
    node_id
        What the node is called in pictures; default: the name of its class.

    Raises
    ------
    OptionError
        If an option is out of its range.
    """

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
        checked_workers(max_workers, "max_workers", most=self.worker_limit)
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
        self.timeout = None if timeout is None else checked_seconds("timeout", timeout, "timeout=2.5")
        self.deadline = None if deadline is None else checked_seconds("deadline", deadline, "deadline=10")
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
        total = len(items) if isinstance(items, Sized) else None
        with self._running(items, total, self._imap_options() | options) as outcomes:
            return sorted(tracked(outcomes, self.progress, total, self.node_id), key=by_index)

    def _first_branch(self, items: Sequence[Any], **options: Any) -> Outcome:
        """Run the branches over `items`, return the outcome of the first that succeeds, and cancel the others.

        Raises
        ------
        ExceptionGroup
            If none succeeds.
        """
        token = CancelToken()
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
        executor = self.executor
        is_ours = not isinstance(executor, Executor)
        opened = get_executor(executor, self.max_workers) if not isinstance(executor, Executor) else executor
        workers = opened.workers if total is None else min(opened.workers, total)
        facts = {"executor": opened.kind, "workers": workers}  # a worker that got nothing to do leaves no other trace
        with (
            span("exec", kind="phase", **facts),
            opened if is_ours else nullcontext(),
            interruptible(self._imap(opened, items, options)) as outcomes,
        ):
            yield outcomes

    def _imap(
        self, executor: Executor, items: Iterable[Any], options: Mapping[str, Any]
    ) -> Generator[Outcome, None, None]:
        return executor.imap(items=items, **options)

    @property
    def _crosses_processes(self) -> bool:
        """Whether branches run in other processes, so that what they need has to be pickled."""
        executor = self.executor if isinstance(self.executor, Executor) else executor_class(self.executor)
        return executor.capabilities.needs_pickling

    def _travelling(self) -> Self:
        """Return this node, or a copy without what no branch needs where branches run in other processes."""
        if not self._crosses_processes:
            return self
        alone = copy.copy(self)
        alone.successors, alone.executor, alone.progress, alone._context = {}, "serial", None, {}
        return alone

    def structure_view(self, name: str) -> NodeView:
        """Return what a diagram needs to know about this node, under the name it has in its graph."""
        return NodeView(name, type(self).__name__, is_parallel=True)


class ParallelBatchNode(BranchingNode):
    """Run `exec` on every item that `prep` returns, several at once.

    Parameters
    ----------
    max_workers
        How many items may be in progress at once, 1 to 4096; default: that of the kind of executor, see `get_executor`,
        in simulated time 4.
    executor
        ``"serial"``, ``"thread"``, ``"process"``, ``"async"``, ``"dask"``, or an executor from `get_executor`, which
        then stays open.
    max_retries, wait
        Attempts of each item, 1 or more, and the time between them [s].
    on_error
        ``"raise"``: the first error ends the node, and `post` gets the list of values.
        ``"collect"``: every item is run, and `post` gets `Outcomes`, with ``.values`` and ``.failed``.
    timeout
        The time each item has with all its attempts [s]; None for as long as it takes.
    progress
        True for a bar, False for none, None for one where the output is a terminal and the work takes over a second;
        or a function that is called with the number of finished items and the total; in a `ProgressCallback` it gets
        the throughput and the time left.
    retry
        A `RetryPolicy` in place of `max_retries` and `wait`.
    window
        How many items may be pulled ahead of the workers; default: as for `Executor.imap`.
    schedule
        Which worker gets which item. ``"dynamic"``: whoever is free pulls the next one. ``"static"``: one chunk of
        neighbours for each worker, cut before anything runs. ``"longest-first"``: as dynamic, but the most costly items
        come first. The last two need items with a length, such as a list.
    cost
        How long an item is expected to take, in any unit: a function of the item, in place of the method `cost`.
    node_id
        What the node is called in pictures; default: the name of its class.

    Raises
    ------
    OptionError
        If an option is out of its range, or the schedule is ``"longest-first"`` and nobody says what an item costs.

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
        """Return how long an item is expected to take, in any unit; override it, or give the node a function."""
        raise NotImplementedError

    def branch_name(self, item: Any) -> str:
        """Return what the branch of `item` is called in pictures; by default the node's own name."""
        return self.node_id

    def _exec_phase(self, shared: Shared, prep_res: Any) -> Any:
        node = self._travelling()
        outcomes = self._branches(
            self._items(prep_res),
            fn=node._exec_once,
            name=self.node_id,
            label=node.branch_name if self._has_own("branch_name") else None,
            fallback=node.exec_fallback,
            window=self.window,
        )
        if self.on_error_policy == "collect":
            return Outcomes(outcomes)
        return [outcome.value for outcome in outcomes]

    def _has_own(self, method: str) -> bool:
        """Return whether a method is not the one of this class: overridden, or assigned to the node."""
        return method in vars(self) or getattr(type(self), method) is not getattr(ParallelBatchNode, method)

    def _items(self, prep_res: Any) -> Iterable[Any]:
        items: Iterable[Any] = () if prep_res is None else prep_res
        if self.schedule == "dynamic" or not isinstance(items, Iterable):  # the latter is for the executor to refuse
            return items
        if not isinstance(items, Sized):
            needed = f"something with a length, as a list has, for schedule={self.schedule!r}"
            raise OptionError(f"what prep of {self.node_id!r} returns", items, needed)
        return list(items)

    def _imap(
        self, executor: Executor, items: Iterable[Any], options: Mapping[str, Any]
    ) -> Generator[Outcome, None, None]:
        if self.schedule == "dynamic" or not isinstance(items, list):
            return super()._imap(executor, items, options)
        if self.schedule == "static":
            return imap_in_chunks(executor, items=items, **options)
        costs = [self._checked_cost(position, item) for position, item in enumerate(items)]
        order = sorted(range(len(items)), key=costs.__getitem__, reverse=True)  # equals stay in the order of the input
        return imap_in_order(executor, items=items, order=order, **options)

    def _checked_cost(self, position: int, item: Any) -> float:
        try:
            cost = self.cost(item)
        except Exception as error:
            add_note_once(error, f"in cost of item {position} of {self.node_id!r}")
            raise
        if not isinstance(cost, Real) or not math.isfinite(cost):
            raise OptionError(f"the cost of item {position} of {self.node_id!r}", cost, "a finite number")
        return cost


class BatchNode(ParallelBatchNode):
    """Run `exec` on every item that `prep` returns, one after the other.

    Change the base class to `ParallelBatchNode` to run them at once; nothing else changes.

    Parameters
    ----------
    max_retries, wait
        Attempts of each item, 1 or more, and the time between them [s].
    **options
        As for `ParallelBatchNode`, without `max_workers` and `executor`.

    Examples
    --------
    >>> class Squares(BatchNode):
    ...     def prep(self, shared):
    ...         return shared["numbers"]
    ...
    ...     def exec(self, number):
    ...         return number**2
    ...
    ...     def post(self, shared, numbers, squares):
    ...         shared["squares"] = squares
    >>> shared = {"numbers": [1, 2, 3]}
    >>> Squares().run(shared)
    >>> shared["squares"]
    [1, 4, 9]
    """

    def __init__(self, max_retries: int = 1, wait: float = 0, **options: Any) -> None:
        super().__init__(1, "serial", max_retries=max_retries, wait=wait, **options)

    def structure_view(self, name: str) -> NodeView:
        """Return what a diagram needs to know about this node, under the name it has in its graph."""
        return NodeView(name, type(self).__name__)
