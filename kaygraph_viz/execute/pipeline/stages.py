"""The stages of a pipeline as users write them, and what is told about them afterwards.

Belongs here: one stage and the checks of its options, the record of an item that failed, the load of a stage. Does
not belong here: running stages (``stage_run``, ``run``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kaygraph_viz.base.checks import checked_function, checked_seconds, checked_whole, checked_word
from kaygraph_viz.base.errors import OptionError, short
from kaygraph_viz.base.texts import NAME_LIMIT, cut, one_line
from kaygraph_viz.execute.call import MAX_WINDOW
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.registry import executor_class
from kaygraph_viz.execute.retries import RetryPolicy
from kaygraph_viz.trace.row import describe_error

SOURCE = "source"  # the name of reading the items in charts
STAGE_KINDS = ("thread", "process", "async", "serial")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline: one function that every item goes through.

    Parameters
    ----------
    name
        Its name in charts and dead letters.
    fn
        Gets one item and returns one item. One that raises goes to the dead letters.
    workers
        How many items it works on at once, 1 to 4096.
    buffer
        How many items may wait in front of it, 1 to 1,000,000. When all slots are taken, the stage before it has to
        wait with what it has finished: that is backpressure. At least one slot is needed to pass an item on.
    timeout
        The time each item has here, with all its attempts [s]; waiting for a slot in the next queue does not count.
        Coroutines are cancelled, processes killed, threads given up.
    executor
        ``"thread"``, good for waiting; ``"process"``, good for computing; ``"async"``, coroutines, for very many that
        wait; ``"serial"``: one item at a time. If all stages are serial, each item goes all the way before the next
        one is read, in the caller's thread: the baseline to compare with.
    retry
        How often an item is tried here; default: once.

    Raises
    ------
    OptionError
        If an option is out of its range, or `fn` is a coroutine function and `executor` is not ``"async"``.

    Examples
    --------
    >>> Stage("parse", int, workers=2).buffer
    8
    >>> Stage("parse", int, buffer=0)
    Traceback (most recent call last):
    ...
    kaygraph_viz.base.errors.OptionError: buffer must be a whole number from 1 to 1000000, got 0. For example: buffer=8
    """

    name: str
    fn: Callable[[Any], Any]
    workers: int = 1
    buffer: int = 8
    timeout: float | None = None
    executor: str = "thread"
    retry: RetryPolicy | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise OptionError("name", self.name, "a text that is not empty", 'Stage("parse", parse)')
        object.__setattr__(self, "name", cut(self.name, NAME_LIMIT))
        checked_function("fn", self.fn, "a function of one item", 'Stage("parse", parse)')
        checked_word("executor", self.executor, STAGE_KINDS, 'executor="thread"')
        if self.executor != "async" and inspect.iscoroutinefunction(self.fn):
            raise OptionError("executor", self.executor, "'async' for a coroutine function", 'executor="async"')
        limit = executor_class(self.executor).worker_limit
        workers = checked_whole("workers", self.workers, 1, limit, "workers=4")
        object.__setattr__(self, "workers", 1 if self.executor == "serial" else workers)
        checked_whole("buffer", self.buffer, 1, MAX_WINDOW, "buffer=8")
        if self.timeout is not None:
            checked_seconds("timeout", self.timeout, "timeout=2.5", above=True)
        if self.retry is not None and not isinstance(self.retry, RetryPolicy):
            raise OptionError("retry", self.retry, "a RetryPolicy, or None", "retry=RetryPolicy(attempts=3)")

    @property
    def kind(self) -> str:
        """The kind of its workers, ``thread``, ``process`` or ``async``: a serial stage beside others has a thread."""
        return "thread" if self.executor == "serial" else self.executor


def checked_stages(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return the stages of a pipeline, at least one, if all are stages with names of their own."""
    are_stages = isinstance(stages, Sequence) and all(isinstance(stage, Stage) for stage in stages)
    if not are_stages or not stages:
        raise OptionError("stages", stages, "a list of Stage, at least one", 'stages=[Stage("parse", parse)]')
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names) or SOURCE in names:
        raise OptionError("stages", names, f"stages whose names differ, from each other and from {SOURCE!r}")
    return tuple(stages)


@dataclass(slots=True, repr=False)
class DeadLetter(Outcome):
    """An item that did not get through a stage.

    Parameters
    ----------
    stage
        The stage in which it failed.
    item
        What that stage got.

    Notes
    -----
    The other fields are those of `Outcome`: `index` is the position of the item in the source, `error` what was raised,
    `status` one of ``error timeout lost``, `attempts` how often the stage tried.

    Examples
    --------
    >>> DeadLetter(7, error=ValueError("no number"), status="error", stage="parse", item="x")
    DeadLetter(7, 'parse', ValueError: no number)
    """

    stage: str = ""
    item: Any = None

    def __repr__(self) -> str:
        error = "" if self.error is None else one_line(describe_error(self.error), 500)
        return f"DeadLetter({self.index}, {short(self.stage)}, {error})"


@dataclass(frozen=True, slots=True)
class StageFacts:
    """The load of one stage, measured over the whole run of its pipeline.

    Parameters
    ----------
    name
        The stage, or ``"source"`` for the reading of the items.
    workers
        How many items it could work on at once.
    items, errors
        How many it finished, and how many of its items became dead letters.
    busy_s
        Time its workers spent on items, added up [s].
    blocked_s
        Time they spent waiting for a slot in the next queue, added up [s].
    makespan_s
        How long the run took, or has taken so far [s].
    longest_queue
        The most items that ever waited in front of it; 0 for the source.

    Notes
    -----
    Its workers have ``workers * makespan_s`` seconds. Of these they are `busy`, or `blocked` by a stage after it, or
    `starved`: there was nothing to do for them, at the beginning and the end of the run as well. The three shares add
    up to 1. The stage with the largest share of busy time is the bottleneck: those before it are blocked, those after
    it starve.

    Examples
    --------
    >>> facts = StageFacts("parse", 2, 100, 0, busy_s=6.0, blocked_s=3.0, makespan_s=5.0)
    >>> facts.busy, facts.blocked, round(facts.starved, 3), facts.parallelism, facts.throughput_per_s
    (0.6, 0.3, 0.1, 1.2, 20.0)
    """

    name: str
    workers: int
    items: int
    errors: int
    busy_s: float
    blocked_s: float
    makespan_s: float
    longest_queue: int = 0

    @property
    def busy(self) -> float:
        """Share of its time that it worked, 0 to 1."""
        return self._share(self.busy_s)

    @property
    def blocked(self) -> float:
        """Share of its time that it waited for a slot in the next queue, 0 to 1."""
        return min(self._share(self.blocked_s), 1 - self.busy)

    @property
    def starved(self) -> float:
        """Share of its time that it had nothing to do, 0 to 1."""
        return 1 - self.busy - self.blocked

    @property
    def parallelism(self) -> float:
        """The mean number of items on which it worked at once."""
        return self.busy * self.workers

    @property
    def throughput_per_s(self) -> float:
        """The number of items that it finished in a second."""
        return self.items / self.makespan_s if self.makespan_s else 0.0

    @property
    def capacity_per_s(self) -> float:
        """The number of items that it could finish in a second if it were never blocked and never starved."""
        return (self.items + self.errors) * self.workers / self.busy_s if self.busy_s else float("inf")

    def _share(self, seconds: float) -> float:
        capacity_s = self.workers * self.makespan_s
        return min(1.0, seconds / capacity_s) if capacity_s else 0.0
