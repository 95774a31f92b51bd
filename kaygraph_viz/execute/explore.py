"""Running the same program under many schedules, to find the one under which it fails.

Belongs here: the runs and what is learned from them. Does not belong here: how a schedule is decided (``virtual``).
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any

from kaygraph_viz.base.checks import checked_function, checked_whole
from kaygraph_viz.base.errors import OptionError, RealWaitError
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.clock.sync import run_loop
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.clock.virtual.preempt import for_many_blocks
from kaygraph_viz.execute.progress import Progress, checked_progress, counter
from kaygraph_viz.execute.retries import as_node_error
from kaygraph_viz.recording import record
from kaygraph_viz.trace.row import describe_error
from kaygraph_viz.trace.trace import Trace

__all__ = ["Exploration", "Run", "explore"]

NO_ERROR = "it ends without an error"
Check = Callable[[Any], object]


@dataclass(frozen=True)
class Run:
    """One run of an exploration."""

    seed: int
    trace: Trace
    result: Any
    error: Exception | None
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Exploration:
    """The result of an exploration: the properties that held in all runs, and those that did not.

    Parameters
    ----------
    seeds
        The seeds that were tried.
    held
        The properties that held in all runs.
    failed
        For each other property, the seeds of the runs in which it did not hold.
    first
        The first run in which something failed, or None.
    """

    seeds: range
    held: tuple[str, ...]
    failed: Mapping[str, tuple[int, ...]]
    first: Run | None
    _again: Callable[[int], Run] = field(repr=False)
    _preempt: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether everything held in all runs."""
        return self.first is None

    def replay(self, seed: int | None = None) -> Run:
        """Run it again under the schedule of a seed, and return that run.

        Parameters
        ----------
        seed
            Whole number; default: that of the first run that failed, or else the first one.
        """
        if seed is None:
            seed = self.seeds[0] if self.first is None else self.first.seed
        return self._again(checked_whole("seed", seed, 0, 1 << 62, "seed=3"))

    def raise_if_failed(self) -> None:
        """Raise an `AssertionError` that says how to see the failure again, if there was one; for tests."""
        if self.first is not None:
            raise AssertionError(str(self)) from self.first.error

    @property
    def sentence(self) -> str:
        """The schedules that were tried, and how many properties failed in any of them, as one sentence.

        Examples
        --------
        >>> explore(lambda: 4, 10, checks={"even": lambda number: number % 2 == 0}).sentence
        '10 schedules, seeds 0 to 9: all properties held in all of them.'
        """
        plural = "" if len(self.seeds) == 1 else "s"
        tried = f"{len(self.seeds)} schedule{plural}, seeds {self.seeds[0]} to {self.seeds[-1]}"
        if self.first is None:
            return f"{tried}: all properties held in all of them."
        failed = f"{len(self.failed)} of {len(self.failed) + len(self.held)} properties failed"
        return f"{tried}: {failed}, first with seed {self.first.seed}."

    def _lines(self) -> list[str]:
        lines = [self.sentence]
        lines += [f"held in all: {one_line(name)}" for name in self.held]
        lines += [
            f"failed in {len(seeds)} of {len(self.seeds)}, first with seed {seeds[0]}: {one_line(name)}"
            for name, seeds in self.failed.items()
        ]
        if self.first is not None:
            if self.first.error is not None:
                lines.append(f"seed {self.first.seed} ended with {one_line(describe_error(self.first.error), 500)}")
            clock = f"kv.VirtualClock({self.first.seed}, preempt={self._preempt:g})"
            lines.append(f"to repeat it: .replay(), or with kv.record(clock={clock}) as trace: ...")
        return lines

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return f"<Exploration of {self.sentence}>"

    def _repr_html_(self) -> str:
        return "<pre>" + html.escape(str(self)) + "</pre>"


def explore(
    fn: Callable[[], Any],
    runs: int = 100,
    *,
    checks: Mapping[str, Check] | None = None,
    preempt: float = 0.1,
    first_seed: int = 0,
    progress: Progress = None,
) -> Exploration:
    """Run a program under many schedules and return which properties held in all of them.

    One run of a parallel program usually looks right. Here each run is in simulated time with another legal order of
    what happens at once, and threads may give way between any two steps of your code: a race that shows up once in a
    thousand real runs is found within a few.

    Parameters
    ----------
    fn
        A function without arguments, plain or a coroutine function, that runs the program from the beginning and
        returns what is to be checked. An error that it raises, also a failed ``assert``, counts as a failure.
    runs
        How many schedules, 1 to 1,000,000.
    checks
        Properties by name: functions of the result that return whether it holds.
    preempt
        The chance that a thread gives way after a single step (a byte code instruction) of user code, 0 to 1. A
        schedule can be repeated exactly under the same version of Python.
    first_seed
        The seed of the first schedule; the others count up from it.
    progress
        As for `ParallelBatchNode`.

    Returns
    -------
    Exploration
        With what held and failed, and the trace of the first run that failed; that run can be repeated exactly. It
        ends with the first run in which a branch waits for something that simulated time cannot see, such as a lock
        that was made before.

    Raises
    ------
    OptionError
        If an option is out of its range.

    Examples
    --------
    >>> from kaygraph_viz.execute.registry import get_executor
    >>> def lost_update():
    ...     counter = {"value": 0}
    ...
    ...     def add(_):
    ...         counter["value"] += 1
    ...
    ...     with get_executor("thread", 2) as executor:
    ...         list(executor.imap(add, range(4)))
    ...     return counter["value"]
    >>> found = explore(lost_update, 20, checks={"nothing is lost": lambda total: total == 4})
    >>> found.ok, found.replay().failed
    (False, ('nothing is lost',))
    """
    checked_function("fn", fn, "a function without arguments", "explore(run_my_graph)")
    checked_whole("runs", runs, 1, 1_000_000, "runs=100")
    checked_whole("first_seed", first_seed, 0, 1 << 61, "first_seed=0")
    checked_progress(progress)
    properties = _checked(checks)
    VirtualClock(preempt=preempt)

    def again(seed: int) -> Run:
        return _run(fn, seed, preempt, properties)

    first, failed = None, dict[str, list[int]]()
    seeds = range(first_seed, first_seed + runs)
    with for_many_blocks(preempt), counter(progress, runs, "explore") as count:
        for seed in seeds:
            run = again(seed)
            first = first or (run if run.failed else None)
            for name in run.failed:
                failed.setdefault(name, []).append(seed)
            count()
            if isinstance(run.error, RealWaitError):  # the other schedules would say no more about the program
                seeds = range(first_seed, seed + 1)
                break
    held = tuple(name for name in (NO_ERROR, *properties) if name not in failed)
    return Exploration(seeds, held, {name: tuple(found) for name, found in failed.items()}, first, again, preempt)


def _run(fn: Callable[[], Any], seed: int, preempt: float, checks: Mapping[str, Check]) -> Run:
    """Run the program once and check its properties."""
    result, error = None, None
    with record(clock=VirtualClock(seed, preempt=preempt)) as trace:
        try:
            result = run_loop(fn()) if iscoroutinefunction(fn) else fn()
        except BaseException as raised:
            error = _as_error(raised, "the program")
    if error is not None:
        return Run(seed, trace, None, error, (NO_ERROR,))
    failed = []
    for name, check in checks.items():
        try:
            holds = bool(check(result))
        except BaseException as raised:
            holds, error = False, _as_error(raised, f"the property {name!r}")
        if not holds:
            failed.append(name)
    return Run(seed, trace, result, error, tuple(failed))


def _as_error(raised: BaseException, where: str) -> Exception:
    """Return what user code raised as an ordinary error; an interrupt is raised."""
    error = as_node_error(raised, where)
    if not isinstance(error, Exception):
        raise error
    return error


def _checked(checks: Mapping[str, Check] | None) -> dict[str, Check]:
    found = dict(checks or {})
    for name, check in found.items():
        if not isinstance(name, str) or not callable(check):
            raise OptionError("checks", checks, "functions of the result, by name", 'checks={"total": lambda r: r > 0}')
    return found
